//! How many jobs of a queue are begun in a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::envelope::Envelope;
use shared::queues::Rate;
use uuid::Uuid;

/// Values of the key that are remembered at least; those whose time is over
/// are forgotten beyond that.
const KEYS: usize = 1000;
/// A place in line is kept for so long after its time.
const KEPT: Duration = Duration::from_secs(60);

/// Gives each job a time at which it may begin, as a leaky bucket does (GCRA):
/// `limit` at once, then one each `per / limit`. What had to wait has its place
/// in line when it comes again. It counts for this process alone.
pub(super) struct Limit {
    interval: Duration,
    burst: Duration,
    by: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the bucket of each key would be empty.
    empty_at: HashMap<String, Instant>,
    /// Jobs that were told to come again, and when.
    in_line: HashMap<Uuid, Instant>,
}

impl Limit {
    pub(super) fn new(rate: &Rate) -> Self {
        let limit = u32::try_from(rate.limit).unwrap_or(u32::MAX);
        let (interval, by) = (rate.per / limit, rate.by.clone());
        Self { interval, burst: rate.per.saturating_sub(interval), by, state: Mutex::default() }
    }

    /// How long `job` has to wait; nothing when it may begin.
    pub(super) fn wait(&self, job: &Envelope, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.in_line.get(&job.id).copied() {
            if at <= now {
                state.in_line.remove(&job.id);
            }
            return at.saturating_duration_since(now);
        }
        let key = self.key(job);
        let empty_at = state.empty_at.get(&key).copied().unwrap_or(now).max(now);
        let may_begin = empty_at.checked_sub(self.burst).unwrap_or(now);
        state.empty_at.insert(key, empty_at + self.interval);
        state.forget(now);
        let wait = may_begin.saturating_duration_since(now);
        if !wait.is_zero() {
            state.in_line.insert(job.id, may_begin);
        }
        wait
    }

    /// What the limit is counted by.
    fn key(&self, job: &Envelope) -> String {
        let by = |field: &String| job.payload.read::<Value>().ok()?.get_mut(field).map(Value::take);
        match self.by.as_ref().and_then(by) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        if self.empty_at.len() > KEYS {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
        }
        if self.in_line.len() > KEYS {
            self.in_line.retain(|_, at| *at + KEPT > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::envelope::Untyped;

    use super::*;

    fn job(host: &str) -> Envelope {
        let payload = Untyped::of(&serde_json::json!({"host": host}));
        Envelope::new("fetch", 1, Uuid::nil(), payload)
    }

    fn limit(by: Option<&str>) -> Limit {
        let per = Duration::from_secs(1);
        Limit::new(&Rate { limit: 2, per, by: by.map(str::to_owned) })
    }

    #[test]
    fn so_many_begin_at_once_and_the_others_one_after_the_other() {
        let (limit, now) = (limit(None), Instant::now());
        let waits: Vec<u128> = (0..5).map(|_| limit.wait(&job("a"), now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 500, 1000, 1500]);
        assert_eq!(limit.wait(&job("a"), now + Duration::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn who_waited_has_a_place_in_line() {
        let (limit, now) = (limit(None), Instant::now());
        let late = job("a");
        for _ in 0..2 {
            limit.wait(&job("a"), now);
        }
        let wait = limit.wait(&late, now);
        assert!(!wait.is_zero());
        assert_eq!(limit.wait(&late, now + wait / 2), wait / 2);
        assert_eq!(limit.wait(&late, now + wait), Duration::ZERO);
    }

    #[test]
    fn each_value_of_the_key_has_a_limit_of_its_own() {
        let (limit, now) = (limit(Some("host")), Instant::now());
        for host in ["a", "b", "a", "b"] {
            assert_eq!(limit.wait(&job(host), now), Duration::ZERO);
        }
        assert!(!limit.wait(&job("a"), now).is_zero());
    }
}
