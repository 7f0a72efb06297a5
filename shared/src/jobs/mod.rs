//! The payload of every job; executors live in `worker`.

pub mod comments;
pub mod compute;
pub mod images;
pub mod mail;
pub mod posts;
pub mod views;

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::subject;

/// A job: a payload with the queue and the kind that carry it.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The queue that takes it: a key of `deploy/queues.yml`.
    const QUEUE: &'static str;
    /// Its kind within the queue.
    const KIND: &'static str;
    /// Version of the payload's shape.
    const VERSION: u32 = 1;

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
