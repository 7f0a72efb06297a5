//! What many clients have heard: what is missing, what is doubled, how late.

use serde::{Deserialize, Serialize};

use super::mark::Mark;

/// Delays are counted in steps of a tenth of a millisecond, up to half a minute.
const STEP_NS: u64 = 100_000;
const STEPS: usize = 300_000;

/// Counts what is heard.
pub struct Tally {
    /// The newest number of each client.
    newest: Vec<u32>,
    delays: Vec<u32>,
    longest_ns: u64,
    pub heard: usize,
    pub doubled: usize,
}

/// What was heard.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Heard {
    pub heard: usize,
    /// Events that a client lacks.
    pub lost: usize,
    /// Events that came twice, or after a later one.
    pub doubled: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Tally {
    pub fn new() -> Self {
        Self { newest: Vec::new(), delays: vec![0; STEPS], longest_ns: 0, heard: 0, doubled: 0 }
    }

    /// A client has heard an event.
    pub fn hear(&mut self, client: usize, mark: Mark, now: u64) {
        if self.newest.len() <= client {
            self.newest.resize(client + 1, 0);
        }
        if mark.number <= self.newest[client] {
            self.doubled += 1;
            return;
        }
        self.newest[client] = mark.number;
        self.heard += 1;
        let delay = now.saturating_sub(mark.sent);
        self.longest_ns = self.longest_ns.max(delay);
        let step = delay / STEP_NS;
        self.delays[usize::try_from(step).map_or(STEPS - 1, |step| step.min(STEPS - 1))] += 1;
    }

    /// Counts from nothing again.
    pub fn restart(&mut self) {
        (self.heard, self.doubled, self.longest_ns) = (0, 0, 0);
        self.delays.fill(0);
    }

    /// What was heard of so many events in all.
    pub fn sum(&self, expected: usize) -> Heard {
        let [p50_ms, p99_ms] = [0.5, 0.99].map(|share| self.delay_ms(share));
        let max_ms = self.longest_ns as f64 / 1e6;
        let lost = expected.saturating_sub(self.heard);
        Heard { heard: self.heard, lost, doubled: self.doubled, p50_ms, p99_ms, max_ms }
    }

    /// The delay that `share` of all did not exceed.
    fn delay_ms(&self, share: f64) -> f64 {
        let wanted = (self.heard as f64 * share).ceil() as usize;
        let mut seen = 0;
        let step = self.delays.iter().position(|count| {
            seen += *count as usize;
            seen >= wanted.max(1)
        });
        step.map_or(0.0, |step| (step + 1) as f64 * STEP_NS as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_and_late_is_told() {
        let mut tally = Tally::new();
        for (client, number, late) in [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 1, 9), (2, 2, 40)] {
            tally.hear(client, Mark { number, sent: 0 }, late * 1_000_000);
        }
        let heard = tally.sum(6);
        assert_eq!((heard.heard, heard.lost, heard.doubled), (4, 2, 1));
        assert!(
            (heard.p50_ms - 2.1).abs() < 0.01 && (heard.max_ms - 40.0).abs() < 0.01,
            "{heard:?}"
        );
        tally.restart();
        assert_eq!(tally.sum(0).heard, 0);
    }
}
