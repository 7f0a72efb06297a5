//! What the JOBS stream says of its queues, for the admin's eyes.

use std::time::Duration;

use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use futures_util::TryStreamExt as _;
use serde::Deserialize;

use super::Bus;
use crate::envelope::Envelope;
use crate::subject;
use crate::time::Instant;

/// NATS is asked for so long at most: somebody waits for the page.
const PATIENCE: Duration = Duration::from_secs(2);
/// A pause has to have an end; this one is as good as none.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A queue, now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Jobs that wait.
    pub depth: u64,
    /// Jobs under way.
    pub in_flight: u64,
    /// When the oldest job that is not over was stored.
    pub oldest: Option<Instant>,
    /// Whether no job is handed out.
    pub paused: bool,
}

/// A job that is in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// The job; none when the message is no job at all.
    pub job: Option<Envelope>,
    /// When it was stored.
    pub stored: Instant,
    /// Whether a worker has it.
    pub running: bool,
}

/// The queues could not be looked at, or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask NATS about its queues: {0}")]
pub struct QueueError(String);

fn failed(error: impl std::fmt::Display) -> QueueError {
    QueueError(error.to_string())
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
}

impl Bus {
    /// How the queue `name` is.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn queue_state(&self, name: &str) -> Result<QueueState, QueueError> {
        self.ready().map_err(QueueError)?;
        let asked = tokio::time::timeout(PATIENCE, self.ask_queue(name)).await;
        asked.map_err(|_| failed("no answer in time"))?
    }

    async fn ask_queue(&self, name: &str) -> Result<QueueState, QueueError> {
        let stream = self.jobs_stream().await?;
        let all = subject::job(name, ">");
        let oldest = next(&stream, &all, 1).await?.map(|message| message.stored);
        match stream.consumer_info(name).await {
            Ok(info) => Ok(QueueState {
                depth: info.num_pending,
                in_flight: info.num_ack_pending as u64,
                oldest,
                paused: info.paused,
            }),
            // No worker has ever taken from it.
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let depth = count(&stream, &all).await?;
                Ok(QueueState { depth, oldest, ..QueueState::default() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn jobs_stream(&self) -> Result<Stream<()>, QueueError> {
        self.jetstream().get_stream_no_info(subject::JOBS).await.map_err(failed)
    }

    /// The jobs of the queue `name` that are in the stream, oldest first, at
    /// most `limit`.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn waiting(&self, name: &str, limit: usize) -> Result<Vec<Waiting>, QueueError> {
        self.ready().map_err(QueueError)?;
        let asked = tokio::time::timeout(PATIENCE, self.ask_waiting(name, limit)).await;
        asked.map_err(|_| failed("no answer in time"))?
    }

    async fn ask_waiting(&self, name: &str, limit: usize) -> Result<Vec<Waiting>, QueueError> {
        let stream = self.jobs_stream().await?;
        // What was handed out and is still in the stream is under way.
        let handed_out = match stream.consumer_info(name).await {
            Ok(info) => info.delivered.stream_sequence,
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => 0,
            Err(error) => return Err(failed(error)),
        };
        let all = subject::job(name, ">");
        let (mut jobs, mut from) = (Vec::new(), 1);
        while jobs.len() < limit
            && let Some(found) = next(&stream, &all, from).await?
        {
            from = found.sequence + 1;
            let (queue, kind) = subject::parse_job(&found.subject).unwrap_or((name, ""));
            jobs.push(Waiting {
                queue: queue.to_owned(),
                kind: kind.to_owned(),
                job: serde_json::from_slice(&found.body).ok(),
                stored: found.stored,
                running: found.sequence <= handed_out,
            });
        }
        Ok(jobs)
    }

    /// Hands out no more jobs of the queue `name`, until [`Bus::resume`].
    ///
    /// # Errors
    /// When NATS is away, or no worker has ever taken from the queue.
    pub async fn pause(&self, name: &str) -> Result<(), QueueError> {
        let until = Instant::now().plus(FOR_EVER);
        self.set_pause(name, serde_json::json!({"pause_until": until})).await
    }

    /// Hands out jobs of the queue `name` again.
    ///
    /// # Errors
    /// As [`Bus::pause`].
    pub async fn resume(&self, name: &str) -> Result<(), QueueError> {
        self.set_pause(name, serde_json::json!({})).await
    }

    async fn set_pause(&self, name: &str, body: serde_json::Value) -> Result<(), QueueError> {
        self.ready().map_err(QueueError)?;
        let subject = format!("$JS.API.CONSUMER.PAUSE.{}.{name}", subject::JOBS);
        let request = self.client().request(subject, body.to_string().into());
        let answer = tokio::time::timeout(PATIENCE, request).await;
        let answer = answer.map_err(|_| failed("no answer in time"))?.map_err(failed)?;
        match serde_json::from_slice::<Answer>(&answer.payload).map_err(failed)?.error {
            Some(refusal) => Err(QueueError(refusal.description)),
            None => Ok(()),
        }
    }
}

/// A message of the stream.
struct Found {
    sequence: u64,
    subject: String,
    stored: Instant,
    body: bytes::Bytes,
}

async fn next(stream: &Stream<()>, all: &str, from: u64) -> Result<Option<Found>, QueueError> {
    match stream.direct_get_next_for_subject(all, Some(from)).await {
        Ok(message) => Ok(Some(Found {
            sequence: message.sequence,
            subject: message.subject.to_string(),
            stored: Instant::from_millis(
                i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
            ),
            body: message.payload,
        })),
        Err(error) if matches!(error.kind(), DirectGetErrorKind::NotFound) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

async fn count(stream: &Stream<()>, all: &str) -> Result<u64, QueueError> {
    let mut subjects = stream.info_with_subjects(all).await.map_err(failed)?;
    let mut total = 0;
    while let Some((_, messages)) = subjects.try_next().await.map_err(failed)? {
        total += messages as u64;
    }
    Ok(total)
}
