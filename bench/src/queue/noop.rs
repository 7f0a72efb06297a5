//! The job of all Rust contestants, and how their processes talk.

use std::io::{BufRead as _, stdin};
use std::thread;

use serde::{Deserialize, Serialize};
use shared::jobs::Job;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::program::now;

/// Jobs that are enqueued together.
pub const LOT: usize = 1000;

/// Does nothing; 200 bytes as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NoOp {
    filler: String,
}

impl NoOp {
    pub fn new() -> Self {
        Self { filler: "x".repeat(187) }
    }
}

impl Job for NoOp {
    const QUEUE: &'static str = "bench";
    const KIND: &'static str = "noop";
}

/// What this process is told, line by line.
pub fn told() -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || {
        stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}

/// Says what has happened, and when.
pub fn say(word: &str, at: u64) {
    println!("{word} {at}");
}

/// Says that something has happened now.
pub fn say_now(word: &str) {
    say(word, now());
}

/// How many lots make up `jobs`, and how large each is.
pub fn lots(jobs: usize) -> impl Iterator<Item = usize> {
    (0..jobs).step_by(LOT).map(move |sent| LOT.min(jobs - sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_200_bytes_and_lots_leave_out_no_job() {
        let payload = serde_json::to_vec(&NoOp::new()).expect("it is JSON");
        assert_eq!(payload.len(), 200);
        assert_eq!(lots(2500).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_eq!(lots(1).collect::<Vec<_>>(), [1]);
    }
}
