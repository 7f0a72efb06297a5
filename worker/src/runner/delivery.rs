//! One message as it was delivered.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures_util::future::join_all;
use serde_json::value::RawValue;
use shared::envelope::Envelope;
use shared::jobs::enqueue::Priority;
use shared::subject::JobAddress;
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
    /// That of its jobs, as its subject says.
    priority: Priority,
    /// How often it was delivered, this time included.
    delivered: i64,
    /// Names it for ever, should it be no job.
    pub(super) id: String,
}

/// One of the jobs of a message, or what is none.
pub(super) type Read = Result<Envelope, Poison>;

/// Bytes that are no job.
pub(super) struct Poison {
    /// Names them for ever.
    pub(super) id: String,
    /// The bytes.
    pub(super) body: Vec<u8>,
    /// Why they are no job.
    pub(super) reason: String,
}

impl Delivery {
    pub(super) fn new(message: Message, queue: &str) -> Self {
        let (kind, priority) = JobAddress::parse(&message.subject)
            .map_or(("unknown", Priority::Normal), |it| (it.kind, it.priority));
        let kind = kind.to_owned();
        let (delivered, id) = match message.info() {
            Ok(info) => (info.delivered, name(&info)),
            Err(_) => (1, format!("{queue}.{}", uuid::Uuid::now_v7())),
        };
        Self { message, kind, priority, delivered, id }
    }

    /// The jobs that it carries: one, or those of a pack.
    pub(super) fn jobs(&self) -> Vec<Read> {
        let body = &self.message.payload[..];
        if !body.starts_with(b"[") {
            let read = serde_json::from_slice(body).map_err(|error| no_job(&error));
            return vec![self.checked(read, self.id.clone(), || body.to_vec())];
        }
        if let Ok(jobs) = serde_json::from_slice::<Vec<Envelope>>(body)
            && !jobs.is_empty()
            && jobs.iter().all(|job| job.kind == self.kind)
        {
            return jobs.into_iter().map(|job| Ok(self.placed(job))).collect();
        }
        match serde_json::from_slice::<Vec<&RawValue>>(body) {
            // Nothing would be left of it.
            Ok(parts) if parts.is_empty() => {
                let none = "the message is no job: its pack is empty".to_owned();
                vec![self.checked(Err(none), self.id.clone(), || body.to_vec())]
            }
            Ok(parts) => {
                parts.iter().enumerate().map(|(at, part)| self.part(at, part.get())).collect()
            }
            Err(error) => {
                vec![self.checked(Err(no_job(&error)), self.id.clone(), || body.to_vec())]
            }
        }
    }

    /// What stands at the place `at` of a pack.
    fn part(&self, at: usize, part: &str) -> Read {
        let read = serde_json::from_str(part).map_err(|error| no_job(&error));
        self.checked(read, format!("{}.{at}", self.id), || part.as_bytes().to_vec())
    }

    fn checked(
        &self,
        read: Result<Envelope, String>,
        id: String,
        body: impl FnOnce() -> Vec<u8>,
    ) -> Read {
        let reason = match read {
            Ok(job) if job.kind == self.kind => return Ok(self.placed(job)),
            Ok(job) => format!(
                "the message says that it is of the kind {:?}, its subject says {:?}",
                job.kind, self.kind
            ),
            Err(reason) => reason,
        };
        Err(Poison { id, body: body(), reason })
    }

    /// A job with the priority that it came by: later attempts keep it.
    fn placed(&self, job: Envelope) -> Envelope {
        Envelope { priority: self.priority, ..job }
    }

    /// Whether it came before, and nothing is known of that.
    pub(super) fn is_suspect(&self) -> bool {
        self.delivered > 1
    }

    /// Whether it carries several jobs.
    pub(super) fn is_pack(&self) -> bool {
        self.message.payload.starts_with(b"[")
    }

    /// Whether it carries several jobs and came so often that one of them may
    /// be what kills the worker: then each has to go on alone.
    pub(super) fn is_suspect_pack(&self) -> bool {
        self.delivered > 2 && self.is_pack()
    }

    /// How often it came before.
    pub(super) fn came(&self) -> i64 {
        self.delivered - 1
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

/// Why a job is given up before it is run, when it was begun so often without
/// an outcome.
pub(super) fn vanished(times: i64) -> Option<String> {
    (times >= VANISHED).then(|| {
        format!("it was begun {times} times and never ended: its worker went away each time")
    })
}

fn no_job(error: &serde_json::Error) -> String {
    format!("the message is no job: {error}")
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
