//! One client of the hub: its topics and its place.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use shared::bus::replay::Stored;
use shared::subject::Topic;
use tokio::sync::Notify;

use super::policy::{Delivery, policy};
use super::ring::Frame;
use super::{Cursor, Hub, State};

/// A client that watches; it is forgotten when dropped.
pub struct Client {
    hub: Hub,
    id: u64,
    topics: Vec<Topic>,
    at: Cursor,
    waker: Arc<Notify>,
}

/// How a client begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// With what comes from now on.
    Now,
    /// With what came after its cursor.
    After(Cursor),
}

/// What a client is to be sent.
enum Next {
    /// Frames, joined; the place after them.
    Frames(Bytes),
    /// What it misses is not in the rings: the stream may have it.
    Behind { until: u64 },
    /// Its place lies after all that the feed has seen.
    Ahead,
    /// Its place means nothing any more.
    Reset,
    /// Nothing now.
    Wait,
}

impl Hub {
    /// Begins to watch. Waits for NATS when it was never reached; who waited
    /// may have missed something, and begins with a reset.
    pub async fn watch(&self, topics: Vec<Topic>, resume: Resume) -> Client {
        let begin = self.position();
        let at = match resume {
            Resume::Now => begin.clone().unwrap_or_else(Cursor::nowhere),
            Resume::After(cursor) => cursor,
        };
        if begin.is_none() {
            self.first_position().await;
        }
        let waker = Arc::new(Notify::new());
        let id = self.lock().watch(&topics, &waker);
        Client { hub: self.clone(), id, topics, at, waker }
    }

    async fn first_position(&self) {
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(50));
        while self.position().is_none() {
            pause.tick().await;
        }
    }
}

impl Client {
    /// Where the client stands.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.at
    }

    /// The next frames for this client; waits until there are some.
    pub async fn next(&mut self) -> Bytes {
        loop {
            let next = self.look();
            match next {
                Next::Frames(frames) => return frames,
                Next::Behind { until } => {
                    if let Some(frames) = self.replay(until).await {
                        return frames;
                    }
                }
                Next::Ahead => {
                    if let Some(reset) = self.wait_ahead().await {
                        return reset;
                    }
                }
                Next::Reset => return self.reset(),
                Next::Wait => self.waker.notified().await,
            }
        }
    }

    /// Looks into the rings, under one lock: what was seen there up to the
    /// newest event of all is what this client has.
    fn look(&mut self) -> Next {
        let state = self.hub.lock();
        let Some(epoch) = state.epoch.as_ref() else {
            return Next::Wait;
        };
        if *epoch != self.at.epoch {
            return Next::Reset;
        }
        if self.at.seq > state.last {
            return Next::Ahead;
        }
        let Some(frames) = gather(&state, &self.topics, self.at.seq) else {
            return Next::Behind { until: state.last };
        };
        self.at.seq = state.last;
        if frames.is_empty() { Next::Wait } else { Next::Frames(join(&frames)) }
    }

    /// A cursor of another process may be a moment ahead of this one's feed;
    /// one that lies after the stream's end is of no stream that is there, and
    /// would have the client wait for ever.
    async fn wait_ahead(&mut self) -> Option<Bytes> {
        match self.hub.bus.events_state().await {
            Ok(stream) if *stream.epoch == *self.at.epoch && self.at.seq <= stream.last => {
                self.waker.notified().await;
                None
            }
            Ok(_) => Some(self.reset()),
            Err(error) => self.pause(&error.to_string()).await,
        }
    }

    /// Reads what the rings do not hold from the stream. `None` when nothing
    /// of this client's topics was among it.
    async fn replay(&mut self, until: u64) -> Option<Bytes> {
        let bus = &self.hub.bus;
        let held = match bus.events_state().await {
            Ok(stream) => *stream.epoch == *self.at.epoch && stream.first <= self.at.seq + 1,
            Err(error) => return self.pause(&error.to_string()).await,
        };
        if !held {
            return Some(self.reset());
        }
        match bus.events_between(self.at.seq, until, &self.topics).await {
            Ok(events) => {
                self.at.seq = until;
                let frames: Vec<Frame> = owed(&events)
                    .into_iter()
                    .map(|event| Frame::encode(event, &self.at.epoch))
                    .collect();
                (!frames.is_empty()).then(|| join(&frames))
            }
            Err(error) => self.pause(&error.to_string()).await,
        }
    }

    /// NATS is away: the client stays behind, and is looked at again soon.
    async fn pause(&self, error: &str) -> Option<Bytes> {
        tracing::debug!(error, "a client waits for its replay");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        None
    }

    /// Tells the client that what it shows may be old: it is to load its data
    /// again, and goes on from now.
    fn reset(&mut self) -> Bytes {
        if let Some(position) = self.hub.position() {
            self.at = position;
        }
        let at = &self.at;
        format!("id: {at}\nevent: reset\ndata: {{\"cursor\":\"{at}\"}}\n\n").into()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.lock().unwatch(&self.topics, self.id);
    }
}

/// Frames of `topics` after `seq` in the order of the stream, or `None` when a
/// ring does not reach back so far.
fn gather(state: &State, topics: &[Topic], seq: u64) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    for topic in topics {
        match state.rings.get(topic) {
            Some(ring) => frames.extend(ring.after(seq)?.cloned()),
            None if seq >= state.floor => {}
            None => return None,
        }
    }
    frames.sort_by_key(|frame| frame.seq);
    Some(frames)
}

/// Of replayed events, each of a log, and the newest of a counter.
fn owed(events: &[Stored]) -> Vec<&Stored> {
    let newest: HashMap<&Topic, u64> =
        events.iter().map(|event| (&event.topic, event.seq)).collect();
    let latest = |topic: &Topic| matches!(policy(topic), Some((Delivery::Latest, _)));
    let is_owed = |event: &&Stored| !latest(&event.topic) || newest[&event.topic] == event.seq;
    events.iter().filter(is_owed).collect()
}

fn join(frames: &[Frame]) -> Bytes {
    match frames {
        [one] => one.bytes.clone(),
        many => {
            let mut joined = BytesMut::with_capacity(many.iter().map(|f| f.bytes.len()).sum());
            many.iter().for_each(|frame| joined.extend_from_slice(&frame.bytes));
            joined.freeze()
        }
    }
}
