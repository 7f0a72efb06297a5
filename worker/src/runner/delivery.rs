//! One message as it was delivered.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures_util::future::join_all;
use shared::envelope::Envelope;
use shared::subject;
use tokio_util::task::AbortOnDropHandle;

use super::VANISHED;

/// An acknowledgement that NATS does not confirm within this is given up: the
/// message comes again and is known.
const ACK_CONFIRMED: Duration = Duration::from_secs(5);

/// A message, and what is known about it before it is read.
pub(super) struct Delivery {
    message: Message,
    /// The kind that its subject names.
    pub(super) kind: String,
    /// How often it was delivered, this time included.
    delivered: i64,
    /// Names it for ever, should it be no job.
    pub(super) id: String,
}

impl Delivery {
    pub(super) fn new(message: Message, queue: &str) -> Self {
        let kind =
            subject::parse_job(&message.subject).map_or("unknown", |(_, kind)| kind).to_owned();
        let (delivered, id) = match message.info() {
            Ok(info) => (info.delivered, name(&info)),
            Err(_) => (1, format!("{queue}.{}", uuid::Uuid::now_v7())),
        };
        Self { message, kind, delivered, id }
    }

    /// The job that it carries.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub(super) fn job(&self) -> Result<Envelope, String> {
        let job: Envelope = serde_json::from_slice(&self.message.payload)
            .map_err(|error| format!("the message is no job: {error}"))?;
        if job.kind != self.kind {
            return Err(format!(
                "the message says that it is of the kind {:?}, its subject says {:?}",
                job.kind, self.kind
            ));
        }
        Ok(job)
    }

    /// The bytes of the message.
    pub(super) fn body(&self) -> &[u8] {
        &self.message.payload
    }

    /// Whether it came before, and nothing is known of that.
    pub(super) fn is_suspect(&self) -> bool {
        self.delivered > 1
    }

    /// Why its attempt counts as failed before it is run: it came too often
    /// without an outcome.
    pub(super) fn vanished(&self) -> Option<String> {
        let times = self.delivered - 1;
        (times >= VANISHED).then(|| {
            format!("the attempt was begun {times} times and never ended: its worker went away")
        })
    }

    /// Gives it back, to come again after `delay`.
    pub(super) async fn give_back(&self, delay: Option<Duration>) {
        if let Err(error) = self.message.ack_with(AckKind::Nak(delay)).await {
            tracing::debug!(%error, "a message was not given back; it comes again by itself");
        }
    }

    pub(super) fn acker(&self, client: &async_nats::Client) -> Acker {
        Acker { client: client.clone(), reply: self.message.reply.clone() }
    }
}

/// Unlike a sequence number alone, the time tells one life of the stream from
/// another.
fn name(info: &async_nats::jetstream::message::Info<'_>) -> String {
    let at = info.published.unix_timestamp_nanos() / 1000;
    format!("{}.{}.{at}", info.stream, info.stream_sequence)
}

/// Acknowledges one message.
pub(super) struct Acker {
    client: async_nats::Client,
    reply: Option<async_nats::Subject>,
}

impl Acker {
    /// Acknowledges, and waits until NATS has it.
    pub(super) async fn ack(self) {
        let Some(reply) = self.reply else { return };
        let request =
            async_nats::Request::new().payload("+ACK".into()).timeout(Some(ACK_CONFIRMED));
        if let Err(error) = self.client.send_request(reply, request).await {
            tracing::debug!(%error, "an acknowledgement was not confirmed");
        }
    }
}

/// Tells NATS that the messages are being worked on, until it is dropped.
pub(super) fn heartbeat(deliveries: &[Delivery], every: Duration) -> AbortOnDropHandle<()> {
    let messages: Vec<Message> = deliveries.iter().map(|d| d.message.clone()).collect();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let progress = messages.iter().map(|m| m.ack_with(AckKind::Progress));
            join_all(progress).await;
        }
    }))
}
