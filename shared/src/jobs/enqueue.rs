//! How a job is to be sent.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use uuid::Uuid;

use super::{Job, Travel};
use crate::envelope::Envelope;
use crate::time::Instant;

/// Which of two jobs of a queue that both wait is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// The usual.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// All of them, the first first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    pub(crate) fn is_normal(&self) -> bool {
        *self == Self::Normal
    }

    /// The word used in subjects and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl FromStr for Priority {
    type Err = BadPriority;

    fn from_str(word: &str) -> Result<Self, BadPriority> {
        let found = Self::ALL.into_iter().find(|priority| priority.as_str() == word);
        found.ok_or_else(|| BadPriority(word.to_owned()))
    }
}

/// Whatever is no word is refused with the words that there are.
impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl de::Visitor<'_> for Word {
            type Value = Priority;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of high, normal, low")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Priority, E> {
                let words = &["high", "normal", "low"];
                word.parse().map_err(|_| E::unknown_variant(word, words))
            }
        }
        deserializer.deserialize_str(Word)
    }
}

/// A word that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no priority; it takes high, normal or low")]
pub struct BadPriority(String);

/// A job to be written to the outbox.
#[derive(Debug, Clone)]
pub struct Enqueue<P> {
    /// The queue that takes it.
    pub queue: Cow<'static, str>,
    /// The job.
    pub envelope: Envelope<P>,
    /// Not before; at once when there is none.
    pub due: Option<Instant>,
    /// Whether it may share a message with others.
    pub travel: Travel,
    /// While another job holds its key, it is not sent.
    pub unique: Option<Unique>,
}

/// A key that one job at a time holds in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key.
    pub key: String,
    /// How long it is held.
    pub hold: Hold,
}

/// How long a key is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Until the job is done or dead.
    UntilOver,
    /// For so long since it was sent, whatever becomes of it.
    For(Duration),
}

impl<J: Job> Enqueue<J> {
    /// A job that is due at once.
    pub fn new(job: J, cause: Uuid) -> Self {
        let (queue, travel) = (Cow::Borrowed(J::QUEUE), J::TRAVEL);
        let envelope = job.envelope(cause);
        Self { queue, envelope, due: None, travel, unique: None }
    }
}

impl<P> Enqueue<P> {
    /// A job of a kind that is known by its name alone; it travels alone.
    pub fn of(queue: impl Into<Cow<'static, str>>, kind: &str, cause: Uuid, payload: P) -> Self {
        let envelope = Envelope::new(kind, 1, cause, payload);
        Self { queue: queue.into(), envelope, due: None, travel: Travel::Alone, unique: None }
    }

    /// Not before `due`.
    #[must_use]
    pub fn at(self, due: Instant) -> Self {
        Self { due: Some(due), ..self }
    }

    /// Before or after others of its queue.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.envelope.priority = priority;
        self
    }

    /// Sent only while no other job of its queue holds `key`.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>, hold: Hold) -> Self {
        self.envelope.unique = hold == Hold::UntilOver;
        Self { unique: Some(Unique { key: key.into(), hold }), ..self }
    }

    /// Takes `cost` units of its queue's concurrency, where one is usual.
    #[must_use]
    pub fn cost(mut self, cost: u32) -> Self {
        self.envelope.cost = cost.max(1);
        self
    }
}
