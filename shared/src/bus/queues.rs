//! What the JOBS stream says of its queues, for the admin's eyes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_nats::jetstream::consumer;
use async_nats::jetstream::stream::Stream;
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;

use super::Bus;
use crate::db::reconcile::Held;
use crate::jobs::enqueue::Priority;
use crate::subject::{self, JobAddress};
use crate::time::Instant;

/// NATS is asked for so long at most: somebody waits for the page.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages that are read at once where all are read.
const PAGE: usize = 256;

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
    /// Whether somebody takes its jobs: asks for them now, or has some.
    pub taken: bool,
}

impl QueueState {
    fn of<'a>(
        Stock { messages, jobs }: Stock,
        oldest: Option<Instant>,
        consumers: impl Iterator<Item = &'a consumer::Info>,
    ) -> Self {
        let (mut held, mut paused, mut asked) = (0, false, false);
        for info in consumers {
            held += info.num_ack_pending as u64;
            paused |= info.paused;
            asked |= info.num_waiting > 0;
        }
        // Of packs it is not known which are taken: their mean size has to do.
        let in_flight = (held * jobs).checked_div(messages).unwrap_or(0).min(jobs);
        let taken = asked || held > 0;
        Self { depth: jobs - in_flight, in_flight, oldest, paused, taken }
    }
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
pub enum QueueError {
    /// NATS is away, slow, or refuses.
    #[error("cannot ask NATS about its queues: {0}")]
    Nats(String),
    /// There is more than could be looked through.
    #[error(
        "the job is not in the database, and NATS holds more jobs than could be looked \
         through in time: it may be among them"
    )]
    Unfinished,
}

pub(super) fn failed(error: impl std::fmt::Display) -> QueueError {
    QueueError::Nats(error.to_string())
}

/// What `asked` gives, when that is soon.
pub(super) async fn in_time<T>(
    asked: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| failed("no answer in time"))?
}

/// What the stream holds of a queue.
#[derive(Debug, Clone, Copy, Default)]
struct Stock {
    messages: u64,
    jobs: u64,
}

impl Bus {
    /// How the queues `names` are, and each other that the stream holds jobs of.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn queue_states(
        &self,
        names: impl IntoIterator<Item = &String>,
    ) -> Result<BTreeMap<String, QueueState>, QueueError> {
        let names: BTreeSet<String> = names.into_iter().cloned().collect();
        in_time(self.ask_queues(names)).await
    }

    async fn ask_queues(
        &self,
        mut names: BTreeSet<String>,
    ) -> Result<BTreeMap<String, QueueState>, QueueError> {
        let (stock, consumers) = (self.stock().await?, self.consumers().await?);
        names.extend(stock.keys().cloned());
        let state = async |name: String| {
            let held = stock.get(&name).copied().unwrap_or_default();
            let oldest = if held.messages > 0 { self.oldest(&name).await? } else { None };
            let known = Priority::ALL.map(|it| consumers.get(&subject::consumer(&name, it)));
            let state = QueueState::of(held, oldest, known.into_iter().flatten());
            Ok((name, state))
        };
        Ok(try_join_all(names.into_iter().map(state)).await?.into_iter().collect())
    }

    async fn oldest(&self, queue: &str) -> Result<Option<Instant>, QueueError> {
        let all = subject::job(queue, ">");
        let oldest = self.direct(subject::JOBS, &all, 1, 1).await.map_err(failed)?;
        Ok(oldest.first().map(|message| message.stored))
    }

    /// How many jobs the stream holds, by queue; a queue without any is left out.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn jobs_by_queue(&self) -> Result<BTreeMap<String, u64>, QueueError> {
        let stock = in_time(self.stock()).await?;
        Ok(stock.into_iter().map(|(name, held)| (name, held.jobs)).collect())
    }

    /// The stream's list of subjects tells what it holds.
    async fn stock(&self) -> Result<BTreeMap<String, Stock>, QueueError> {
        self.ready().map_err(failed)?;
        let stream = self.jobs_stream().await?;
        let mut subjects = stream.info_with_subjects(subject::IN_JOBS).await.map_err(failed)?;
        let mut stock: BTreeMap<String, Stock> = BTreeMap::new();
        while let Some((subject, number)) = subjects.try_next().await.map_err(failed)? {
            let Some(address) = JobAddress::parse(&subject) else { continue };
            let held = stock.entry(address.queue.to_owned()).or_default();
            held.messages += number as u64;
            held.jobs += number as u64 * address.packed.unwrap_or(1);
        }
        Ok(stock)
    }

    /// The consumers of the stream, by name.
    pub(super) async fn consumers(&self) -> Result<HashMap<String, consumer::Info>, QueueError> {
        self.ready().map_err(failed)?;
        let consumers = self.jobs_stream().await?.consumers();
        let named = consumers.map_ok(|info| (info.name.clone(), info));
        named.try_collect().await.map_err(failed)
    }

    /// All jobs that the stream holds, and which of its queues are paused.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn held(&self) -> Result<Held, QueueError> {
        self.ready().map_err(failed)?;
        let mut held = Held::of(self.paused_queues().await?);
        let mut from = 1;
        loop {
            let page =
                self.direct(subject::JOBS, subject::IN_JOBS, from, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(held) };
            from = last.sequence + 1;
            page.iter().for_each(|found| held.note(&found.body));
        }
    }

    async fn jobs_stream(&self) -> Result<Stream<()>, QueueError> {
        self.jetstream().get_stream_no_info(subject::JOBS).await.map_err(failed)
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
        let found = self.direct(subject::JOBS, subject::IN_JOBS, seq, 1).await.map_err(failed)?;
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
}
