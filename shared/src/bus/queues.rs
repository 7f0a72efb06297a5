//! What the JOBS stream says of its queues, for the admin's eyes.

use std::time::Duration;

use async_nats::jetstream::consumer;
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::Stream;
use futures_util::TryStreamExt as _;
use serde::Deserialize;

use super::Bus;
use super::control::Control;
use super::direct::Found;
use crate::db::reconcile::Held;
use crate::envelope::Envelope;
use crate::jobs::enqueue::Priority;
use crate::subject::{self, JobAddress};
use crate::time::Instant;

/// NATS is asked for so long at most: somebody waits for the page.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages that are read at once where jobs are looked for.
const PAGE: usize = 256;
/// Pages that are read at most for one answer.
const PAGES_MAX: usize = 8;
/// All jobs.
const ALL: &str = "jobs.>";
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

/// A message that no worker will be given any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unworked {
    /// Names it.
    pub id: String,
    /// Where it went.
    pub subject: String,
    /// Its bytes.
    pub body: Vec<u8>,
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
        let oldest = self.direct(subject::JOBS, &all, 1, 1).await.map_err(failed)?;
        let (messages, jobs) = count(&stream, &all).await?;
        let (mut taken, mut paused) = (0, false);
        for priority in Priority::ALL {
            if let Some(info) = consumer(&stream, name, priority).await? {
                taken += info.num_ack_pending as u64;
                paused |= info.paused;
            }
        }
        // Of packs it is not known which are taken: their mean size has to do.
        let in_flight = (taken * jobs).checked_div(messages).unwrap_or(0).min(jobs);
        let oldest = oldest.first().map(|message| message.stored);
        Ok(QueueState { depth: jobs - in_flight, in_flight, oldest, paused })
    }

    /// All jobs that the stream holds.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn held(&self) -> Result<Held, QueueError> {
        self.ready().map_err(QueueError)?;
        let (mut held, mut from) = (Held::default(), 1);
        loop {
            let page = self.direct(subject::JOBS, ALL, from, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(held) };
            from = last.sequence + 1;
            page.iter().for_each(|found| held.note(&found.body));
        }
    }

    async fn jobs_stream(&self) -> Result<Stream<()>, QueueError> {
        self.jetstream().get_stream_no_info(subject::JOBS).await.map_err(failed)
    }

    /// The jobs of the queue `name` that are in the stream from the place
    /// `from` on, oldest first: those that run, or those that wait. About
    /// `limit` of them, and where more would be looked for.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn waiting(
        &self,
        name: &str,
        running: bool,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Waiting>, Option<u64>), QueueError> {
        self.ready().map_err(QueueError)?;
        let asked = tokio::time::timeout(PATIENCE, self.ask_waiting(name, running, from, limit));
        asked.await.map_err(|_| failed("no answer in time"))?
    }

    async fn ask_waiting(
        &self,
        name: &str,
        running: bool,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Waiting>, Option<u64>), QueueError> {
        let handed_out = self.handed_out(name).await?;
        let all = subject::job(name, ">");
        let least = handed_out.into_iter().min().unwrap_or(0) + 1;
        let mut from = if running { from } else { from.max(least) };
        let mut jobs = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.direct(subject::JOBS, &all, from, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok((jobs, None)) };
            from = last.sequence + 1;
            for found in page {
                let address = JobAddress::parse(&found.subject);
                let priority = address.map_or(Priority::Normal, |it| it.priority);
                let taken = found.sequence <= handed_out[priority as usize];
                if taken == running {
                    let next = found.sequence + 1;
                    jobs.extend(expanded(name, found, running));
                    if jobs.len() >= limit {
                        return Ok((jobs, Some(next)));
                    }
                }
            }
        }
        Ok((jobs, Some(from)))
    }

    /// Up to where each priority was handed out: what is there before that, and
    /// still in the stream, is under way.
    async fn handed_out(&self, name: &str) -> Result<[u64; 3], QueueError> {
        let stream = self.jobs_stream().await?;
        let mut handed_out = [0; 3];
        for priority in Priority::ALL {
            if let Some(info) = consumer(&stream, name, priority).await? {
                handed_out[priority as usize] = info.delivered.stream_sequence;
            }
        }
        Ok(handed_out)
    }

    /// Whether the JOBS stream holds a message of one of `subjects` at the place `seq` or
    /// before it.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn holds_up_to(&self, seq: u64, subjects: &[String]) -> Result<bool, QueueError> {
        for subject in subjects {
            let oldest = self.direct(subject::JOBS, subject, 1, 1).await.map_err(failed)?;
            if oldest.first().is_some_and(|found| found.sequence <= seq) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The message of the JOBS stream at the place `seq`, with a name for ever;
    /// none when it is no longer there.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn take_job(&self, seq: u64) -> Result<Option<Unworked>, QueueError> {
        let found = self.direct(subject::JOBS, "jobs.>", seq, 1).await.map_err(failed)?;
        let same = found.into_iter().find(|found| found.sequence == seq);
        Ok(same.map(|found| Unworked {
            id: format!("{}.{seq}.{}", subject::JOBS, found.stored.millis()),
            subject: found.subject,
            body: found.body.to_vec(),
        }))
    }

    /// Takes the message at the place `seq` out of the JOBS stream.
    ///
    /// # Errors
    /// When NATS is away or refuses.
    pub async fn drop_job(&self, seq: u64) -> Result<(), QueueError> {
        self.jobs_stream().await?.delete_message(seq).await.map(|_| ()).map_err(failed)
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
        self.set_pause(name, serde_json::json!({})).await?;
        // A request that waits at the server since before is not served.
        self.control(&Control::Pull { queue: name.to_owned() }).await.map_err(failed)
    }

    async fn set_pause(&self, name: &str, body: serde_json::Value) -> Result<(), QueueError> {
        self.ready().map_err(QueueError)?;
        for priority in Priority::ALL {
            let consumer = subject::consumer(name, priority);
            let subject = format!("$JS.API.CONSUMER.PAUSE.{}.{consumer}", subject::JOBS);
            let request = self.client().request(subject, body.to_string().into());
            let answer = tokio::time::timeout(PATIENCE, request).await;
            let answer = answer.map_err(|_| failed("no answer in time"))?.map_err(failed)?;
            let answer: Answer = serde_json::from_slice(&answer.payload).map_err(failed)?;
            if let Some(refusal) = answer.error {
                return Err(QueueError(refusal.description));
            }
        }
        Ok(())
    }
}

/// One job of a message, or all of a pack.
fn expanded(queue: &str, found: Found, running: bool) -> Vec<Waiting> {
    let kind = JobAddress::parse(&found.subject).map_or("", |it| it.kind).to_owned();
    let jobs = if found.body.starts_with(b"[") {
        let jobs = serde_json::from_slice::<Vec<Envelope>>(&found.body);
        jobs.map_or_else(|_| vec![None], |jobs| jobs.into_iter().map(Some).collect())
    } else {
        vec![serde_json::from_slice(&found.body).ok()]
    };
    let stored = found.stored;
    let one = |job| Waiting { queue: queue.to_owned(), kind: kind.clone(), job, stored, running };
    jobs.into_iter().map(one).collect()
}

async fn consumer(
    stream: &Stream<()>,
    queue: &str,
    priority: Priority,
) -> Result<Option<consumer::Info>, QueueError> {
    match stream.consumer_info(subject::consumer(queue, priority)).await {
        Ok(info) => Ok(Some(info)),
        // No worker has ever taken from it.
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// How many messages there are, and how many jobs they hold.
async fn count(stream: &Stream<()>, all: &str) -> Result<(u64, u64), QueueError> {
    let mut subjects = stream.info_with_subjects(all).await.map_err(failed)?;
    let (mut messages, mut jobs) = (0, 0);
    while let Some((subject, number)) = subjects.try_next().await.map_err(failed)? {
        let packed = JobAddress::parse(&subject).and_then(|it| it.packed).unwrap_or(1);
        messages += number as u64;
        jobs += number as u64 * packed;
    }
    Ok((messages, jobs))
}
