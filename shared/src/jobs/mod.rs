//! The payload of every job; executors live in `worker`.

pub mod blogroll;
pub mod comments;
pub mod compute;
pub mod enqueue;
pub mod gateway;
pub mod images;
pub mod mail;
pub mod order;
pub mod own;
pub mod posts;
pub mod views;

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::subject;

/// How jobs travel where many of a kind wait: each acknowledgement costs a
/// synced write at NATS, so those that take no time are better packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// Each in a message of its own: what takes long, or leaves the box.
    Alone,
    /// Many in one message.
    Packed,
}

/// A job: a payload with the queue and the kind that carry it.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The queue that takes it: a key of `deploy/queues.yml`.
    const QUEUE: &'static str;
    /// Its kind within the queue.
    const KIND: &'static str;
    /// Version of the payload's shape.
    const VERSION: u32 = 1;
    /// Whether jobs of this kind may share a message where many wait.
    const TRAVEL: Travel = Travel::Packed;

    /// `jobs.<queue>.<kind>`.
    #[must_use]
    fn subject() -> String {
        subject::job(Self::QUEUE, Self::KIND)
    }

    /// The job as it travels.
    fn envelope(self, cause: Uuid) -> Envelope<Self>
    where
        Self: Sized,
    {
        Envelope::new(Self::KIND, Self::VERSION, cause, self)
    }
}
