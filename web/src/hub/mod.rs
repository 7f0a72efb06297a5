//! The live hub: every event of NATS, to every visitor who watches.
//!
//! ```text
//! EVENTS -> live.> -> feed -> rings (one a topic) -> a client each -> SSE
//! ```
//!
//! One subscription takes everything that the EVENTS stream republishes. So
//! the process sees all topics in the one order of the stream, a client's
//! cursor is one number, and a gap shows in the next number. A ring a topic
//! keeps the newest events, each encoded once for all who watch.

mod client;
mod cursor;
mod feed;
mod policy;
mod presence;
mod ring;
pub mod sse;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::bus::Bus;
use shared::bus::replay::Stored;
use shared::shutdown::Shutdown;
use shared::subject::Topic;
use tokio::sync::Notify;

pub use client::{Client, Resume};
pub use cursor::Cursor;
pub use presence::Watching;
use ring::Ring;

/// Topics whose events are kept in memory at most; the one that was silent
/// longest makes room, and a client that needs it reads the stream.
const TOPICS_MAX: usize = 2048;

/// Handle to the hub of this process.
#[derive(Clone)]
pub struct Hub {
    bus: Bus,
    state: Arc<Mutex<State>>,
    presence: Arc<presence::Presence>,
    shutdown: Shutdown,
}

/// What the feed has seen.
#[derive(Default)]
struct State {
    /// Of the stream; none until NATS was reached.
    epoch: Option<Arc<str>>,
    /// The newest event.
    last: u64,
    /// Below this, a topic without a ring may have had events.
    floor: u64,
    rings: HashMap<Topic, Ring>,
    next_client: u64,
}

impl Hub {
    /// Starts the feed; it looks for NATS until `shutdown`.
    #[must_use]
    pub fn start(bus: Bus, shutdown: Shutdown) -> Self {
        let state = Arc::default();
        let presence = Arc::new(presence::Presence::default());
        let hub = Self { bus, state, presence, shutdown };
        tokio::spawn(feed::run(hub.clone()));
        tokio::spawn(presence::publish(hub.clone()));
        hub
    }

    /// Where the feed stands, to be rendered into a page before its data is
    /// read: what happens after is replayed to the page's connection. Empty
    /// while NATS was never reached.
    #[must_use]
    pub fn cursor(&self) -> String {
        self.position().map_or_else(String::new, |cursor| cursor.to_string())
    }

    /// Whether the feed knows its place: what readiness asks.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        self.position().map(|_| ()).ok_or_else(|| "the feed has not reached NATS yet".to_owned())
    }

    /// Readers now, as this process sees them.
    #[must_use]
    pub fn readers(&self) -> shared::events::Readers {
        self.presence.count()
    }

    fn position(&self) -> Option<Cursor> {
        let state = self.lock();
        let epoch = state.epoch.clone()?;
        Some(Cursor { epoch, seq: state.last })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a life of the stream: nothing of another one means anything.
    fn begin(&mut self, epoch: &str, last: u64) {
        for ring in self.rings.values_mut() {
            ring.clear(last);
            ring.wake();
        }
        self.rings.retain(|_, ring| ring.is_watched());
        (self.epoch, self.last, self.floor) = (Some(epoch.into()), last, last);
    }

    /// Takes the next event in order; one that was seen is left out.
    fn take(&mut self, event: &Stored) {
        let Some(epoch) = self.epoch.clone() else {
            return;
        };
        if event.seq <= self.last {
            return;
        }
        self.last = event.seq;
        let floor = self.floor;
        let ring =
            self.rings.entry(event.topic.clone()).or_insert_with(|| Ring::new(&event.topic, floor));
        ring.push(event, &epoch);
        if self.rings.len() > TOPICS_MAX {
            self.drop_silent();
        }
    }

    fn drop_silent(&mut self) {
        let unwatched = self.rings.iter().filter(|(_, ring)| !ring.is_watched());
        let silent =
            unwatched.min_by_key(|(_, ring)| ring.newest()).map(|(topic, _)| topic.clone());
        if let Some(ring) = silent.and_then(|topic| self.rings.remove(&topic)) {
            self.floor = self.floor.max(ring.newest());
        }
    }

    /// Wakes those who watch a counter that moved since the last time.
    fn flush_counters(&mut self) {
        for ring in self.rings.values_mut() {
            ring.flush();
        }
    }

    fn watch(&mut self, topics: &[Topic], waker: &Arc<Notify>) -> u64 {
        self.next_client += 1;
        let (id, floor) = (self.next_client, self.floor);
        for topic in topics {
            let ring = self.rings.entry(topic.clone()).or_insert_with(|| Ring::new(topic, floor));
            ring.watch(id, Arc::clone(waker));
        }
        id
    }

    fn unwatch(&mut self, topics: &[Topic], id: u64) {
        for topic in topics {
            if let Some(ring) = self.rings.get_mut(topic) {
                ring.unwatch(id);
                if ring.is_empty() && !ring.is_watched() && ring.evicted() <= self.floor {
                    self.rings.remove(topic);
                }
            }
        }
    }
}
