//! The newest events of one topic, encoded, and those who watch it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use shared::bus::replay::Stored;
use shared::subject::Topic;
use tokio::sync::Notify;

use super::policy::{Delivery, policy};

/// Events of a log that are kept for resumes.
const LOG: usize = 128;

/// An event as it goes to every client.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) bytes: Bytes,
}

impl Frame {
    /// Encodes an event once, for all who watch. A line's end in JSON is only
    /// space between its parts, and would end the data here.
    pub(super) fn encode(event: &Stored, epoch: &str) -> Self {
        let Stored { seq, topic, body } = event;
        let head = format!("id: {epoch}-{seq}\nevent: {topic}\ndata: ");
        let mut bytes = [head.as_bytes(), body, b"\n\n"].concat();
        let data = &mut bytes[head.len()..head.len() + body.len()];
        data.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|end| *end = b' ');
        Self { seq: *seq, bytes: bytes.into() }
    }
}

/// One topic's ring.
pub(super) struct Ring {
    delivery: Delivery,
    frames: VecDeque<Frame>,
    /// The newest event that is not in the ring any more.
    evicted: u64,
    watchers: HashMap<u64, Arc<Notify>>,
    dirty: bool,
}

impl Ring {
    /// An empty ring; events up to `floor` may have been.
    pub(super) fn new(topic: &Topic, floor: u64) -> Self {
        let delivery = policy(topic).map_or(Delivery::Log, |(delivery, _)| delivery);
        let (frames, watchers) = (VecDeque::new(), HashMap::new());
        Self { delivery, frames, evicted: floor, watchers, dirty: false }
    }

    pub(super) fn push(&mut self, event: &Stored, epoch: &str) {
        self.frames.push_back(Frame::encode(event, epoch));
        let keep = if self.delivery == Delivery::Latest { 1 } else { LOG };
        while self.frames.len() > keep {
            self.evicted = self.frames.pop_front().map_or(self.evicted, |frame| frame.seq);
        }
        match self.delivery {
            Delivery::Latest => self.dirty = true,
            Delivery::Log => self.wake(),
        }
    }

    /// Frames after `seq`, or `None` when some of them are gone. A counter's
    /// older values are never missed.
    pub(super) fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Frame>> {
        let whole = match self.delivery {
            Delivery::Latest => seq >= self.evicted || !self.frames.is_empty(),
            Delivery::Log => seq >= self.evicted,
        };
        whole.then(|| self.frames.iter().filter(move |frame| frame.seq > seq))
    }

    /// Wakes the watchers of a counter that moved.
    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        for watcher in self.watchers.values() {
            watcher.notify_one();
        }
    }

    /// Forgets everything up to `seq`.
    pub(super) fn clear(&mut self, seq: u64) {
        self.frames.clear();
        self.evicted = seq;
    }

    pub(super) fn watch(&mut self, client: u64, waker: Arc<Notify>) {
        self.watchers.insert(client, waker);
    }

    pub(super) fn unwatch(&mut self, client: u64) {
        self.watchers.remove(&client);
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
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
    use super::*;

    fn event(topic: &str, seq: u64) -> Stored {
        Stored { seq, topic: topic.parse().unwrap(), body: Bytes::from_static(b"{}") }
    }

    fn ring(topic: &str, seqs: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::new(&topic.parse().unwrap(), 0);
        seqs.into_iter().for_each(|seq| ring.push(&event(topic, seq), "ab"));
        ring
    }

    #[test]
    fn an_event_is_encoded_with_its_cursor_and_topic() {
        let frame = Frame::encode(&event("comments.a", 7), "ab");
        assert_eq!(frame.bytes, "id: ab-7\nevent: comments.a\ndata: {}\n\n");
    }

    #[test]
    fn an_event_of_many_lines_is_one_line_of_data() {
        let body = Bytes::from_static(b"{\r\n  \"a\": 1\n}\n");
        let frame = Frame::encode(&Stored { body, ..event("comments.a", 7) }, "ab");
        assert_eq!(frame.bytes, "id: ab-7\nevent: comments.a\ndata: {    \"a\": 1 } \n\n");
    }

    #[test]
    fn a_log_gives_all_after_a_place_or_says_that_some_are_gone() {
        let ring = ring("comments.a", 1..=200);
        let seqs: Vec<u64> = ring.after(198).unwrap().map(|frame| frame.seq).collect();
        assert_eq!(seqs, [199, 200]);
        assert!(ring.after(10).is_none());
    }

    #[test]
    fn a_counter_gives_its_newest_value_from_any_place() {
        let ring = ring("metrics.views.a", [3, 9, 12]);
        let seqs: Vec<u64> = ring.after(0).unwrap().map(|frame| frame.seq).collect();
        assert_eq!(seqs, [12]);
    }
}
