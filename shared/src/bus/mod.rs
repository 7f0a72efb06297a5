//! NATS JetStream: connection, streams, publishing, the relay of the outbox.

pub mod control;
mod direct;
mod pack;
pub mod pauses;
pub mod presence;
mod publish;
mod queued;
pub mod queues;
pub mod relay;
pub mod replay;
pub mod reports;
mod streams;
pub mod waiting;

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use url::Url;

use crate::config::without_user;
pub use publish::{Message, PublishError};
pub use streams::{StreamError, StreamsReady};

/// A connection to NATS, shared by clones; it reconnects by itself.
#[derive(Clone)]
pub struct Bus {
    client: async_nats::Client,
    jetstream: jetstream::Context,
}

/// NATS could not even be tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot use NATS at {url}")]
pub struct ConnectError {
    url: Url,
    source: async_nats::ConnectError,
}

/// Logs that NATS came or went; the tries in between are many, and say nothing
/// new.
async fn note(event: async_nats::Event) {
    match event {
        async_nats::Event::Connected => tracing::info!("connected to NATS"),
        async_nats::Event::Disconnected => {
            tracing::warn!("the connection to NATS is lost; it is tried again until it is back");
        }
        async_nats::Event::LameDuckMode => tracing::info!("NATS is about to stop"),
        _ => {}
    }
}

impl Bus {
    /// Begins to connect and keeps at it: a process starts, and serves what it
    /// can, while NATS is away. `name` shows in NATS's list of connections.
    ///
    /// # Errors
    /// When the address is of no use.
    pub async fn connect(url: &Url, name: &str) -> Result<Self, ConnectError> {
        let delay = |attempts: usize| Duration::from_millis(50 * (1 << attempts.min(5)) as u64);
        let client = async_nats::ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .reconnect_delay_callback(delay)
            .event_callback(note)
            .connect(url.as_str())
            .await
            .map_err(|source| ConnectError { url: without_user(url), source })?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        Ok(Self { client, jetstream })
    }

    /// The connection itself, for plain subscriptions.
    #[must_use]
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// JetStream on it, for consumers.
    #[must_use]
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Whether NATS is there: what readiness asks.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn ready(&self) -> Result<(), String> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending => Err("not connected yet".to_owned()),
            State::Disconnected => Err("disconnected".to_owned()),
        }
    }
}
