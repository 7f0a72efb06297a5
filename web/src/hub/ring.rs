//! The newest events of one topic, encoded.

use std::collections::VecDeque;

use shared::bus::replay::Stored;
use shared::subject::Topic;

use super::frame::Frame;
use super::policy::{Delivery, policy};

/// Events of a log that are kept for resumes.
pub(super) const LOG: usize = 128;

/// One topic's ring.
pub(super) struct Ring {
    delivery: Delivery,
    frames: VecDeque<Frame>,
    /// The newest event that is not in the ring any more.
    evicted: u64,
}

impl Ring {
    /// An empty ring; events up to `floor` may have been.
    pub(super) fn new(topic: &Topic, floor: u64) -> Self {
        let delivery = policy(topic).map_or(Delivery::Log, |(delivery, _)| delivery);
        Self { delivery, frames: VecDeque::new(), evicted: floor }
    }

    pub(super) fn push(&mut self, event: &Stored, epoch: &str) {
        let keep = if self.delivery == Delivery::Log { LOG } else { 1 };
        while self.frames.len() >= keep {
            self.evicted = self.frames.pop_front().map_or(self.evicted, |frame| frame.seq);
        }
        self.frames.push_back(Frame::encode(event, epoch));
    }

    /// Whether what came after `seq` is all here. A counter's older values are
    /// never missed.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        seq >= self.evicted || (self.delivery != Delivery::Log && !self.frames.is_empty())
    }

    /// Frames after `seq`, the newest first, each with its index.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = (usize, &Frame)> {
        self.frames.iter().enumerate().rev().take_while(move |(_, frame)| frame.seq > seq)
    }

    pub(super) fn frame(&self, index: usize) -> &Frame {
        &self.frames[index]
    }

    /// Forgets everything up to `seq`.
    pub(super) fn clear(&mut self, seq: u64) {
        self.frames.clear();
        self.evicted = seq;
    }

    pub(super) fn delivery(&self) -> Delivery {
        self.delivery
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn newest(&self) -> u64 {
        self.frames.back().map_or(self.evicted, |frame| frame.seq)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ring(topic: &str, seqs: impl IntoIterator<Item = u64>) -> Ring {
        let topic: Topic = topic.parse().unwrap();
        let mut ring = Ring::new(&topic, 0);
        for seq in seqs {
            let body = Bytes::from_static(b"{}");
            ring.push(&Stored { seq, topic: topic.clone(), body }, "ab");
        }
        ring
    }

    fn after(ring: &Ring, seq: u64) -> Vec<u64> {
        ring.after(seq).map(|(_, frame)| frame.seq).collect()
    }

    #[test]
    fn a_log_gives_all_after_a_place_or_says_that_some_are_gone() {
        let ring = ring("comments.a", 1..=200);
        assert!(ring.reaches(198));
        assert_eq!(after(&ring, 198), [200, 199]);
        assert!(ring.reaches(72) && !ring.reaches(71));
    }

    #[test]
    fn a_counter_gives_its_newest_value_from_any_place() {
        let ring = ring("metrics.views.a", [3, 9, 12]);
        assert!(ring.reaches(0));
        assert_eq!(after(&ring, 0), [12]);
    }
}
