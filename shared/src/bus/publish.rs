//! Publishing with a receipt: a message is stored on disk, or it is an error.

use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::Bus;
use crate::events::Event;

/// JetStream takes at most so many messages in an atomic batch.
pub(super) const BATCH_MAX: usize = 1000;
/// A store that takes longer than this is taken for gone.
const STORED_WITHIN: Duration = Duration::from_secs(5);
/// A message id of the batch is stored already.
const DUPLICATE_IN_BATCH: u64 = 10201;
/// The message is larger than the stream takes.
const TOO_LARGE: u64 = 10054;
/// The stream could not store: it is full, or its disk is.
const STORE_FAILED: u64 = 10077;

/// A message that must be stored once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `Nats-Msg-Id`: a second send is a success that stores nothing.
    pub msg_id: String,
    /// Where it goes.
    pub subject: String,
    /// What it says.
    pub body: Bytes,
}

/// An event that is not sent through the outbox.
impl From<Event> for Message {
    fn from(event: Event) -> Self {
        let Event { topic, envelope } = event;
        let (msg_id, body) = (envelope.msg_id(), envelope.to_json().into());
        Self { msg_id, subject: topic.subject(), body }
    }
}

/// Why a message is not known to be stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// NATS is away or slow: the message may be stored, or not. Sending it
    /// again is harmless.
    #[error("NATS did not confirm the message: {0}")]
    Unconfirmed(String),
    /// The message can never be stored: it is too large, or its subject is
    /// none.
    #[error("the message cannot be sent: {0}")]
    Unfit(String),
    /// NATS said no: the stream is full.
    #[error("NATS refused the message: {description} (error {code})")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its words.
        description: String,
    },
}

impl PublishError {
    /// Whether the stream as a whole takes nothing now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Refused { code: STORE_FAILED, .. })
    }
}

impl From<async_nats::client::PublishError> for PublishError {
    fn from(error: async_nats::client::PublishError) -> Self {
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
                Self::Unfit(error.to_string())
            }
            PublishErrorKind::Send => Self::Unconfirmed(error.to_string()),
        }
    }
}

impl From<async_nats::RequestError> for PublishError {
    fn from(error: async_nats::RequestError) -> Self {
        match error.kind() {
            RequestErrorKind::NoResponders => Self::Unconfirmed("no stream takes it".to_owned()),
            RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => {
                Self::Unfit(error.to_string())
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                Self::Unconfirmed(error.to_string())
            }
        }
    }
}

/// JetStream's answer, as far as it says whether something was done.
#[derive(Deserialize)]
pub(super) struct Receipt {
    pub(super) error: Option<Refusal>,
}

/// Why it was not.
#[derive(Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

impl Bus {
    /// Stores one message.
    ///
    /// # Errors
    /// When it is not known to be stored.
    pub async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        self.confirmed(message, headers(message)).await
    }

    /// Stores messages of one stream, all or none, with one flush to disk for
    /// each thousand. When one of them was stored before, the others are
    /// stored one by one.
    ///
    /// # Errors
    /// When they are not all known to be stored.
    pub async fn publish_all(&self, messages: &[Message]) -> Result<(), PublishError> {
        for batch in messages.chunks(BATCH_MAX) {
            match batch {
                [one] => self.publish(one).await?,
                many => self.publish_batch(many).await?,
            }
        }
        Ok(())
    }

    async fn publish_batch(&self, batch: &[Message]) -> Result<(), PublishError> {
        match self.publish_atomically(batch).await {
            Err(PublishError::Refused { code: DUPLICATE_IN_BATCH, .. }) => {
                self.publish_each(batch).await
            }
            result => result,
        }
    }

    async fn publish_each(&self, batch: &[Message]) -> Result<(), PublishError> {
        for message in batch {
            self.publish(message).await?;
        }
        Ok(())
    }

    /// One atomic batch (ADR-50): only the last message is answered.
    async fn publish_atomically(&self, batch: &[Message]) -> Result<(), PublishError> {
        let Some((last, first)) = batch.split_last() else {
            return Ok(());
        };
        let id = Uuid::now_v7().to_string();
        for (index, message) in first.iter().enumerate() {
            let headers = batch_headers(message, &id, index + 1);
            let (subject, body) = (message.subject.clone(), message.body.clone());
            self.client().publish_with_headers(subject, headers, body).await?;
        }
        let mut headers = batch_headers(last, &id, batch.len());
        headers.insert("Nats-Batch-Commit", "1");
        self.confirmed(last, headers).await
    }

    async fn confirmed(&self, message: &Message, headers: HeaderMap) -> Result<(), PublishError> {
        let request = Request::new()
            .headers(headers)
            .payload(message.body.clone())
            .timeout(Some(STORED_WITHIN));
        let answer = self.client().send_request(message.subject.clone(), request).await?;
        match serde_json::from_slice::<Receipt>(&answer.payload) {
            Ok(Receipt { error: None }) => Ok(()),
            Ok(Receipt { error: Some(Refusal { err_code: TOO_LARGE, description }) }) => {
                Err(PublishError::Unfit(description))
            }
            Ok(Receipt { error: Some(Refusal { err_code: code, description }) }) => {
                Err(PublishError::Refused { code, description })
            }
            Err(error) => Err(PublishError::Unconfirmed(format!("unreadable receipt: {error}"))),
        }
    }
}

fn headers(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", message.msg_id.as_str());
    headers
}

fn batch_headers(message: &Message, batch: &str, sequence: usize) -> HeaderMap {
    let mut headers = headers(message);
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", sequence.to_string());
    headers
}
