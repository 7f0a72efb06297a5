//! The live hub: every event of NATS, to every visitor who watches.
//!
//! ```text
//! EVENTS -> live.> -> feed -> engine: rings (one a topic) -> sockets
//! ```
//!
//! One subscription takes everything that the EVENTS stream republishes. So
//! the process sees all topics in the one order of the stream, a client's
//! cursor is one number, and a gap shows in the next number. A ring a topic
//! keeps the newest events, each encoded once for all who watch.
//!
//! One thread owns the rings and the sockets (`reactor`); what it decides is a
//! state machine of its own (`engine`). A request for events is answered like
//! any other up to its head; then the server hands the socket over.

mod conn;
mod cors;
mod cursor;
mod engine;
mod feed;
mod frame;
mod live;
mod meters;
#[cfg(test)]
mod model;
pub(crate) mod policy;
mod polls;
mod presence;
mod reactor;
mod replay;
mod ring;
pub mod sse;
mod topics;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::bus::Bus;
use shared::shutdown::Shutdown;
use shared::subject::Topic;

pub use cursor::Cursor;
pub use frame::Framing;
pub use live::Live;
pub use meters::Meters;
pub use presence::Watching;
pub(crate) use reactor::random_part;
pub use reactor::{Arrival, JUNK};
use reactor::{Command, Link};

use crate::server::places::Place;

/// To tell ten thousand clients takes a tenth of a second.
const FAREWELL: Duration = Duration::from_secs(2);

/// Handle to the hub of this process.
#[derive(Clone)]
pub struct Hub {
    bus: Bus,
    link: Link,
    position: Arc<Mutex<Option<Cursor>>>,
    presence: Arc<presence::Presence>,
    meters: Meters,
    shutdown: Shutdown,
    /// Cancelled when all clients were sent away.
    emptied: Shutdown,
}

/// What a client watches.
pub struct Watch {
    /// Its topics, each once.
    pub topics: Vec<Topic>,
    /// How it begins.
    pub resume: Resume,
    /// The newest event when it said who it is: what was withdrawn since may be its own
    /// right to watch.
    pub known_at: u64,
    /// How it goes on.
    pub mode: Mode,
    /// What is counted.
    pub counted: Counted,
}

/// What is counted for a client while it is there: kept with its socket, and
/// therefore small.
pub struct Counted {
    /// The reader that it is.
    pub reading: Option<Watching>,
    /// Its place among the connections.
    pub place: Place,
}

/// How a client begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// With what comes from now on.
    Now,
    /// With what came after its cursor.
    After(Cursor),
}

/// How a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Without an end.
    Stream,
    /// Without an end, after an event that shows a script that the stream gets
    /// through.
    Greeted,
    /// Up to the first events, or for so long.
    Poll(Duration),
}

impl Hub {
    /// Starts the feed and the thread of the sockets; the feed looks for NATS
    /// until `shutdown`. Clients are then sent away, to come back within
    /// `spread`.
    ///
    /// # Errors
    /// When the system gives no thread or no poll.
    pub fn start(
        bus: Bus,
        meters: Meters,
        spread: Duration,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let link = reactor::start(bus.clone(), meters.clone())?;
        let (position, presence) = (Arc::default(), Arc::new(presence::Presence::new()));
        let emptied = Shutdown::new();
        let hub = Self { bus, link, position, presence, meters, shutdown, emptied };
        tokio::spawn(feed::run(hub.clone()));
        tokio::spawn(presence::run(hub.clone()));
        tokio::spawn(hub.clone().stop(spread));
        Ok(hub)
    }

    async fn stop(self, spread: Duration) {
        self.shutdown.cancelled().await;
        self.link.send(Command::Stop(spread, self.emptied)).await;
    }

    /// Waits until all clients were sent away, and tells the other processes that
    /// this one has no readers any more.
    pub async fn leave(&self) {
        if tokio::time::timeout(FAREWELL, self.emptied.cancelled()).await.is_err() {
            tracing::warn!("clients were cut off without a pause before they come back");
        }
        presence::farewell(self).await;
    }

    /// Takes a socket over.
    pub async fn attach(&self, arrival: Arrival) {
        self.link.send(Command::Connect(Box::new(arrival))).await;
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

    fn position(&self) -> Option<Cursor> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest event that came; 0 while NATS was never reached.
    pub(super) fn newest(&self) -> u64 {
        self.position().map_or(0, |cursor| cursor.seq)
    }

    fn set_position(&self, position: Cursor) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }
}
