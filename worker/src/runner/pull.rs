//! A durable consumer, and a pull request that always waits at the server.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::{self, AckPolicy, pull};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind};
use async_nats::jetstream::{AckKind, ErrorCode, Message};
use futures_util::{FutureExt, StreamExt};
use shared::bus::{Bus, StreamError, pauses};
use shared::db;
use shared::jobs::enqueue::Priority;
use shared::subject;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ACK_WAIT, Shared};

/// How long a pull request waits at the server before it is renewed.
const EXPIRES: Duration = Duration::from_secs(15);
/// Messages that the workers of one queue may hold at once, on all machines.
const HELD_MAX: i64 = 2000;
/// A message that was acknowledged is gone from its stream within this many looks.
const LOOKS: u32 = 6;
/// The pause between two of them.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether a message was passed over.
const WATCH_EVERY: Duration = Duration::from_secs(20);

type Consumer = consumer::Consumer<pull::Config>;

/// Why no jobs come.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The streams cannot be made.
    #[error(transparent)]
    Streams(#[from] StreamError),
    /// The consumer cannot be looked at, or not be made.
    #[error("cannot find or create the consumer of {queue}: {source}")]
    Consumer {
        /// The queue.
        queue: String,
        /// Why.
        source: ConsumerError,
    },
    /// It is not known whether the queue is paused.
    #[error("cannot read whether the queue is paused")]
    Pause(#[from] db::Error),
    /// The request for jobs was not sent or not answered well.
    #[error("cannot pull jobs: {0}")]
    Pull(String),
    /// A consumer has to be made anew.
    #[error("a consumer takes a job for acknowledged that is still there")]
    PassedOver,
}

/// The consumers of a queue, one a priority, made or brought up to date; so are
/// the streams when they are not there.
///
/// # Errors
/// When NATS is away or refuses.
pub(super) async fn consumers(shared: &Shared, queue: &str) -> Result<[Consumer; 3], PullError> {
    if let Ok(consumers) = create_all(shared, queue).await {
        return Ok(consumers);
    }
    shared.bus.ensure_streams().await?;
    create_all(shared, queue).await
}

/// The usual one first: one of an older Hearth takes what the others want.
async fn create_all(shared: &Shared, queue: &str) -> Result<[Consumer; 3], PullError> {
    let normal = create(shared, queue, Priority::Normal).await?;
    let high = create(shared, queue, Priority::High).await?;
    Ok([high, normal, create(shared, queue, Priority::Low).await?])
}

/// Finds the consumer of a queue and a priority as it has to be, or makes it so;
/// paused as `data.db` says, else as it is.
async fn create(shared: &Shared, queue: &str, priority: Priority) -> Result<Consumer, PullError> {
    let stream = shared.bus.jetstream();
    let wanted = config(queue, priority);
    let name = subject::consumer(queue, priority);
    let refused = |source| PullError::Consumer { queue: queue.to_owned(), source };
    let known = match stream.get_consumer_from_stream(&name, subject::JOBS).await {
        Ok(known) => Some(known),
        Err(error) if is_absent(&error) => None,
        Err(source) => return Err(refused(source)),
    };
    let passed_over = match &known {
        Some(known) => has_passed_over(&shared.bus, known, &wanted).await,
        None => false,
    };
    // Read last: it may be paused meanwhile.
    let paused = match &shared.data {
        Some(data) => db::pauses::get(data, queue.to_owned()).await?,
        None => None,
    };
    if let Some(known) = &known {
        if passed_over {
            tracing::warn!(consumer = name, "jobs were passed over; they are handed out again");
            let _gone = stream.delete_consumer_from_stream(&name, subject::JOBS).await;
        } else if is_current(&known.cached_info().config, &wanted)
            && paused.is_none_or(|paused| paused == known.cached_info().paused)
        {
            return Ok(known.clone());
        }
    }
    let pause_until = match (paused, known) {
        (Some(paused), _) => paused.then(|| (SystemTime::now() + pauses::FOR_EVER).into()),
        // Updated without it, a paused queue would go on.
        (None, known) => known.and_then(|known| known.cached_info().config.pause_until),
    };
    let config = pull::Config { pause_until, ..wanted };
    stream.create_consumer_on_stream(config, subject::JOBS).await.map_err(refused)
}

/// Whether there is no such consumer. Any other error may hide one that is paused.
fn is_absent(error: &ConsumerError) -> bool {
    let known = [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND];
    matches!(error.kind(), ConsumerErrorKind::JetStream(told) if known.contains(&told.error_code()))
}

/// Whether a message is left in the stream that the consumer takes for acknowledged. Nobody
/// would be given it any more.
///
/// NATS keeps what a consumer has acknowledged apart from the removal of the message: a
/// power cut, or a disk that runs full, may leave the one without the other. To hand such a
/// message out once more does no harm, as its job is known to be done.
async fn has_passed_over(bus: &Bus, known: &Consumer, wanted: &pull::Config) -> bool {
    let floor = known.cached_info().ack_floor.stream_sequence;
    // One that is paused hands out nothing, and stays: its pause would go with it.
    if floor == 0 || known.cached_info().paused {
        return false;
    }
    for look in 0..LOOKS {
        match bus.holds_up_to(floor, &wanted.filter_subjects).await {
            Ok(true) if look + 1 < LOOKS => tokio::time::sleep(LOOK_AGAIN).await,
            Ok(held) => return held,
            Err(_) => return false,
        }
    }
    false
}

/// Waits until a message of the queue was passed over.
pub(super) async fn until_passed_over(bus: &Bus, queue: &str) -> PullError {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        for priority in Priority::ALL {
            let name = subject::consumer(queue, priority);
            let known = bus.jetstream().get_consumer_from_stream(&name, subject::JOBS).await;
            if let Ok(known) = known
                && has_passed_over(bus, &known, &config(queue, priority)).await
            {
                return PullError::PassedOver;
            }
        }
    }
}

fn config(queue: &str, priority: Priority) -> pull::Config {
    pull::Config {
        durable_name: Some(subject::consumer(queue, priority)),
        filter_subjects: subject::filters(queue, priority),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: HELD_MAX,
        // Attempts are counted in SQLite.
        max_deliver: -1,
        ..pull::Config::default()
    }
}

fn is_current(known: &consumer::Config, wanted: &pull::Config) -> bool {
    known.filter_subjects == wanted.filter_subjects
        && known.ack_policy == wanted.ack_policy
        && known.ack_wait == wanted.ack_wait
        && known.max_ack_pending == wanted.max_ack_pending
        && known.max_deliver == wanted.max_deliver
}

/// How many messages are taken at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// So many at most.
    pub(super) batch: usize,
    /// The first one waits so long for others.
    pub(super) linger: Duration,
}

/// Pulls messages for the hands of one queue, as many at once as there are, up
/// to the batch: those of the highest priority first.
pub(super) struct Pull {
    lanes: [Lane; 3],
    size: Size,
    renewals: watch::Receiver<u64>,
}

/// One priority of a queue.
struct Lane {
    consumer: Consumer,
    waiting: Option<pull::Batch>,
    /// Arrived, and nobody has taken them.
    ready: VecDeque<Message>,
}

impl Lane {
    fn new(consumer: Consumer) -> Self {
        Self { consumer, waiting: None, ready: VecDeque::new() }
    }

    /// Has a request wait at the server.
    async fn request(&mut self, batch: usize) -> Result<(), PullError> {
        // What waits here for the jobs of a higher priority is not hoarded.
        if self.waiting.is_none() && self.ready.len() < batch {
            let request = self.consumer.batch().max_messages(batch);
            let sent = request.expires(EXPIRES).messages().await;
            self.waiting = Some(sent.map_err(|error| PullError::Pull(error.to_string()))?);
        }
        Ok(())
    }

    /// Waits for the next message, or for the end of the request.
    async fn arrive(&mut self) -> Result<(), PullError> {
        let next = match &mut self.waiting {
            Some(waiting) => waiting.next().await,
            None => None,
        };
        let over = |error: async_nats::Error| PullError::Pull(error.to_string());
        match next {
            Some(Ok(message)) => self.ready.push_back(message),
            ended => {
                self.waiting = None;
                ended.transpose().map_err(over)?;
            }
        }
        Ok(())
    }

    /// Waits for more until `until`, or until a batch is full.
    async fn linger(&mut self, until: Instant, batch: usize) {
        while self.ready.len() < batch && self.waiting.is_some() {
            if !matches!(tokio::time::timeout_at(until, self.arrive()).await, Ok(Ok(()))) {
                break;
            }
        }
    }

    /// Takes notice of what has arrived. The request is over, or failed, when
    /// it has none: the next one tells why.
    fn notice(&mut self) {
        while self.waiting.is_some() {
            match self.arrive().now_or_never() {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
    }

    fn take(&mut self, batch: usize) -> Vec<Message> {
        self.ready.drain(..batch.min(self.ready.len())).collect()
    }
}

impl Pull {
    pub(super) fn new(
        consumers: [Consumer; 3],
        size: Size,
        renewals: watch::Receiver<u64>,
    ) -> Self {
        Self { lanes: consumers.map(Lane::new), size, renewals }
    }

    /// Has a request of each priority wait at the server.
    ///
    /// # Errors
    /// When NATS is away.
    pub(super) async fn request(&mut self) -> Result<(), PullError> {
        for lane in &mut self.lanes {
            lane.notice();
            lane.request(self.size.batch).await?;
        }
        Ok(())
    }

    /// The next messages: at least one, all of one priority. When the future is
    /// dropped, no message is lost.
    ///
    /// # Errors
    /// When a consumer is gone or NATS is away.
    pub(super) async fn next(&mut self) -> Result<Vec<Message>, PullError> {
        let Size { batch, linger } = self.size;
        loop {
            self.lanes.iter_mut().for_each(Lane::notice);
            if let Some(lane) = self.lanes.iter_mut().find(|lane| !lane.ready.is_empty()) {
                if !linger.is_zero() {
                    lane.linger(Instant::now() + linger, batch).await;
                }
                return Ok(lane.take(batch));
            }
            // Not before: what is delivered while nobody is free counts as begun.
            self.request().await?;
            self.arrive().await?;
        }
    }

    /// Waits until something has changed.
    async fn arrive(&mut self) -> Result<(), PullError> {
        let [high, normal, low] = &mut self.lanes;
        tokio::select! {
            _ = self.renewals.changed() => {
                self.lanes.iter_mut().for_each(|lane| lane.waiting = None);
                Ok(())
            }
            arrived = high.arrive() => arrived,
            arrived = normal.arrive() => arrived,
            arrived = low.arrive() => arrived,
        }
    }

    /// Tells NATS that what waits for a hand here is not lost.
    pub(super) async fn hold(&mut self) {
        for lane in &mut self.lanes {
            lane.notice();
            for message in &lane.ready {
                let _delivered_again_else = message.ack_with(AckKind::Progress).await;
            }
        }
    }

    /// What has arrived and nobody has taken.
    pub(super) fn into_unread(mut self) -> Vec<Message> {
        self.lanes.iter_mut().for_each(Lane::notice);
        self.lanes.into_iter().flat_map(|lane| lane.ready).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_nats_says_nothing_of_is_not_taken_for_absent() {
        let told = |code: u64| {
            let error = serde_json::json!({"code": 404, "err_code": code, "description": "told"});
            let error = serde_json::from_value(error).expect("as NATS writes it");
            ConsumerError::new(ConsumerErrorKind::JetStream(error))
        };
        assert!(is_absent(&told(10014)) && is_absent(&told(10059)));
        assert!(!is_absent(&told(10008)), "it has no leader");
        assert!(!is_absent(&ConsumerError::new(ConsumerErrorKind::TimedOut)));
    }
}
