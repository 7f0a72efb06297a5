//! What is shown of jobs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::replay::job_in;
use super::{JobState, Made, made};
use crate::db::{Data, Error, done, unique};
use crate::envelope::{Envelope, Untyped};
use crate::jobs::enqueue::Priority;
use crate::time::Instant;

/// A job as lists show it, wherever it is on its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// The job's id; for a poison message, the id it was given, and none while
    /// it waits in the stream.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// The id of what led to it; empty where nothing is known of that.
    pub cause: String,
    /// The attempt that is next, under way, or was last.
    pub attempt: u32,
    /// How many of the attempts before were put off: they count against nothing.
    pub snoozes: u32,
    /// When it was made, as far as that is known.
    pub made: Instant,
    /// When it is due, if that is ahead.
    pub run_at: Option<Instant>,
    /// When it ended.
    pub finished: Option<Instant>,
    /// When it was stored, is due, or ended.
    pub at: Instant,
    /// Why it died.
    pub reason: Option<String>,
}

impl Listed {
    /// Whether it is dead because the admin called it off.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state == JobState::Dead && self.reason.as_deref() == Some(done::CANCELLED)
    }

    /// Attempts that count against the queue's limit, with the one under way.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.attempt.saturating_sub(self.snoozes)
    }
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it failed.
    pub at: Instant,
    /// Why.
    pub error: String,
}

/// A job with all that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub job: Listed,
    /// Attempts that its queue allows; none when the file does not have the queue.
    pub max_attempts: Option<u32>,
    /// The key that keeps others like it from being sent.
    pub unique_key: Option<UniqueKey>,
    /// Every failed attempt, oldest first.
    pub errors: Vec<Attempt>,
    /// What its envelope says; of a job that is done it is not kept, and what is
    /// no job has none.
    #[serde(flatten)]
    pub order: Option<Order>,
    /// The message as it came; of a job that is done it is not kept.
    #[serde(flatten)]
    pub message: Option<Body>,
    /// What it made, of one that is done and ran without a database.
    pub result: Option<Made>,
}

impl Detail {
    /// All of it, with the failed attempts that an unfinished job may have, too.
    pub(super) fn read(
        conn: &Connection,
        job: Listed,
        body: Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            max_attempts: None,
            unique_key: unique::key_of(conn, &job.id)?,
            errors: super::attempts(conn, &job.id)?,
            order: body.as_deref().and_then(job_in).map(Order::of),
            message: body.map(Body::of),
            result: made::select(conn, &job.id)?,
            job,
        })
    }

    /// Whether it is a message that is no job: it has nothing to be sent back.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        self.message.is_some() && self.order.is_none()
    }
}

/// A job that is not over, whose message is `body`, with what the database knows
/// of it.
///
/// # Errors
/// When it cannot be read.
pub async fn ahead(data: &Data, job: Listed, body: Vec<u8>) -> Result<Detail, Error> {
    data.readers().read(move |conn| Detail::read(conn, job, Some(body))).await
}

/// What the envelope of a job says of how it is run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    /// Which of those that wait goes first.
    pub priority: Priority,
    /// What it takes of its queue's concurrency.
    pub cost: u32,
    /// The batch that it is part of.
    pub batch: Option<Uuid>,
    /// What the kind says.
    pub payload: Untyped,
}

impl Order {
    fn of(job: Envelope) -> Self {
        let Envelope { priority, cost, batch, payload, .. } = job;
        Self { priority, cost, batch, payload }
    }
}

/// A unique key that a job has, or takes again when it is sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UniqueKey {
    /// The key.
    pub key: String,
    /// The job that holds it now.
    pub holder: Option<String>,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Body {
    /// It is text.
    #[serde(rename = "body")]
    Text(String),
    /// It is none.
    #[serde(rename = "body_base64", serialize_with = "in_base64")]
    Bytes(Vec<u8>),
}

impl Body {
    fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

impl std::fmt::Display for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&STANDARD.encode(bytes)),
        }
    }
}

fn in_base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

/// Which jobs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only {
    /// Of this queue alone.
    pub queue: Option<String>,
    /// Of this kind alone.
    pub kind: Option<String>,
}

impl From<Option<String>> for Only {
    fn from(queue: Option<String>) -> Self {
        Self { queue, kind: None }
    }
}
