//! The three streams.

use std::time::Duration;

use async_nats::jetstream::context::CreateStreamError;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Republish, RetentionPolicy};

use super::Bus;
use crate::subject;

const DAY: Duration = Duration::from_secs(86_400);
const MIB: i64 = 1024 * 1024;

/// A stream could not be made as it has to be.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the stream {name}")]
pub struct StreamError {
    name: &'static str,
    source: CreateStreamError,
}

/// What is known once the streams are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsReady {
    /// Tells one life of the EVENTS stream from another: a cursor of another
    /// epoch means nothing.
    pub epoch: String,
}

impl Bus {
    /// Makes the streams, or brings them up to date.
    ///
    /// # Errors
    /// When NATS is away or refuses.
    pub async fn ensure_streams(&self) -> Result<StreamsReady, StreamError> {
        self.ensure(subject::JOBS, jobs()).await?;
        self.ensure(subject::DEAD, dead()).await?;
        let events = self.ensure(subject::EVENTS, events()).await?;
        Ok(StreamsReady { epoch: epoch(&events) })
    }

    /// Forgets all events, and begins them anew: whoever has a cursor is told to load
    /// everything again. For a database that went back to before some of them.
    ///
    /// # Errors
    /// When NATS is away or refuses.
    pub async fn begin_events_anew(&self) -> Result<(), StreamError> {
        // One that is not there is as good as deleted; of all else, making it tells.
        let _absent = self.jetstream().delete_stream(subject::EVENTS).await;
        self.ensure(subject::EVENTS, events()).await.map(|_| ())
    }

    async fn ensure(
        &self,
        name: &'static str,
        config: Config,
    ) -> Result<async_nats::jetstream::stream::Info, StreamError> {
        let ready = self.jetstream().create_or_update_stream(config).await;
        ready.map_err(|source| StreamError { name, source })
    }
}

pub(super) fn epoch(events: &async_nats::jetstream::stream::Info) -> String {
    format!("{:x}", events.created.unix_timestamp_nanos() / 1000)
}

/// Work to be done once. A full stream refuses: the outbox keeps what it could
/// not send, and nothing is dropped in silence.
fn jobs() -> Config {
    Config {
        name: subject::JOBS.to_owned(),
        subjects: subject::ALL_JOBS.map(str::to_owned).to_vec(),
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_bytes: 1024 * MIB,
        duplicate_window: Duration::from_secs(120),
        allow_atomic_publish: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// What has happened in the last day. Each stored event is republished under
/// `live.`, so that nothing is shown live that a reconnect could not replay.
fn events() -> Config {
    Config {
        name: subject::EVENTS.to_owned(),
        subjects: vec![subject::ALL_EVENTS.to_owned()],
        max_age: DAY,
        max_bytes: 256 * MIB,
        duplicate_window: Duration::from_secs(120),
        republish: Some(Republish {
            source: subject::ALL_EVENTS.to_owned(),
            destination: subject::ALL_LIVE.to_owned(),
            headers_only: false,
        }),
        allow_atomic_publish: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// Jobs that gave up, for a month.
fn dead() -> Config {
    Config {
        name: subject::DEAD.to_owned(),
        subjects: vec![subject::ALL_DEAD.to_owned()],
        max_age: 30 * DAY,
        max_bytes: 256 * MIB,
        allow_atomic_publish: true,
        allow_direct: true,
        ..Config::default()
    }
}
