//! The one envelope of jobs and events, as JSON on the bus.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::time::Instant;

/// A job or an event with what is known about it.
///
/// `P` is the payload; [`Value`] where the kind is not known yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<P = Value> {
    /// UUIDv7: unique, ordered by time.
    pub id: Uuid,
    /// What it is: `comments.check`, `comment.approved`.
    pub kind: String,
    /// Version of the payload's shape, from 1.
    pub version: u32,
    /// When it was made.
    pub time: Instant,
    /// The id of what led to it; a request's id at the start of the chain.
    pub cause: Uuid,
    /// From 1; a job that failed is sent again with the next number.
    pub attempt: u32,
    /// What the kind says.
    pub payload: P,
}

impl<P> Envelope<P> {
    /// A first attempt, made now.
    pub fn new(kind: &str, version: u32, cause: Uuid, payload: P) -> Self {
        let (id, time) = (Uuid::now_v7(), Instant::now());
        Self { id, kind: kind.to_owned(), version, time, cause, attempt: 1, payload }
    }

    /// The id that makes a second send of this attempt harmless
    /// (`Nats-Msg-Id`): a later attempt must not be taken for the first.
    #[must_use]
    pub fn msg_id(&self) -> String {
        format!("{}.{}", self.id, self.attempt)
    }

    /// The same with another payload.
    pub fn with_payload<Q>(self, payload: Q) -> Envelope<Q> {
        let Self { id, kind, version, time, cause, attempt, payload: _ } = self;
        Envelope { id, kind, version, time, cause, attempt, payload }
    }
}

impl<P: Serialize> Envelope<P> {
    /// The JSON that travels.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("payloads hold only types that JSON can show")
    }
}

impl Envelope<Value> {
    /// Reads the payload as `P`.
    ///
    /// # Errors
    /// When the payload has another shape.
    pub fn decode<P: DeserializeOwned>(self) -> Result<Envelope<P>, serde_json::Error> {
        let payload = serde_json::from_value(self.payload.clone())?;
        Ok(self.with_payload(payload))
    }
}
