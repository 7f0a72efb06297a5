//! The one envelope of jobs and events, as JSON on the bus.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::jobs::enqueue::Priority;
use crate::time::Instant;

/// What an envelope with a small payload takes, so that its JSON does not grow
/// step by step.
const USUAL_BYTES: usize = 512;

/// A payload that nobody has read: JSON, byte for byte as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untyped(Box<RawValue>);

impl Untyped {
    /// The JSON of `payload`.
    ///
    /// # Panics
    /// When JSON cannot show it, such as a map whose keys are no strings.
    #[must_use]
    pub fn of(payload: &impl Serialize) -> Self {
        Self(to_raw_value(payload).expect("payloads hold only types that JSON can show"))
    }

    /// The JSON, as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it as what its kind says that it is.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for Untyped {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A job or an event with what is known about it.
///
/// `P` is the payload; [`Untyped`] where the kind is not known yet. Fields that
/// have a default are left out of the JSON where they have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<P = Untyped> {
    /// UUIDv7: unique, ordered by time.
    pub id: Uuid,
    /// What it is: `check`, `comment.approved`.
    pub kind: String,
    /// Version of the payload's shape, from 1.
    pub version: u32,
    /// When it was made.
    pub time: Instant,
    /// The id of what led to it; a request's id at the start of the chain.
    pub cause: Uuid,
    /// From 1; a job that failed or was put off is sent again with the next
    /// number.
    pub attempt: u32,
    /// How many of the attempts before this one were put off: they do not
    /// count against the queue's limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub snoozes: u32,
    /// What it takes of its queue's concurrency.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cost: u32,
    /// Whether its key is freed when it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Which of two jobs that wait goes first; a worker takes it from the subject.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// The batch that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Uuid>,
    /// What the kind says.
    pub payload: P,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

impl<P> Envelope<P> {
    /// A first attempt, made now.
    pub fn new(kind: &str, version: u32, cause: Uuid, payload: P) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: kind.to_owned(),
            version,
            time: Instant::now(),
            cause,
            attempt: 1,
            snoozes: 0,
            cost: 1,
            unique: false,
            priority: Priority::Normal,
            batch: None,
            payload,
        }
    }

    /// The id that makes a second send of this attempt harmless
    /// (`Nats-Msg-Id`): a later attempt must not be taken for the first.
    #[must_use]
    pub fn msg_id(&self) -> String {
        format!("{}.{}", self.id, self.attempt)
    }

    /// Attempts that count against the queue's limit, this one included.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.attempt.saturating_sub(self.snoozes)
    }

    /// The same with another payload.
    #[must_use]
    pub fn carrying<Q>(&self, payload: Q) -> Envelope<Q> {
        let Self { id, version, time, cause, attempt, .. } = *self;
        let Self { snoozes, cost, unique, priority, batch, .. } = *self;
        Envelope {
            id,
            kind: self.kind.clone(),
            version,
            time,
            cause,
            attempt,
            snoozes,
            cost,
            unique,
            priority,
            batch,
            payload,
        }
    }
}

impl<P: Serialize> Envelope<P> {
    /// The JSON that travels.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut json, self)
            .expect("payloads hold only types that JSON can show");
        json
    }
}
