//! A durable consumer, and a pull request that always waits at the server.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, pull};
use async_nats::jetstream::{Message, stream::ConsumerError};
use futures_util::{FutureExt, StreamExt};
use shared::bus::{Bus, StreamError};
use shared::subject;
use tokio::sync::watch;

use super::ACK_WAIT;

/// How long a pull request waits at the server before it is renewed. One that waited
/// through a pause is not served when the queue is resumed; the next one is.
const EXPIRES: Duration = Duration::from_secs(5);
/// Messages that the workers of one queue may hold at once, on all machines.
const HELD_MAX: i64 = 2000;

type Consumer = consumer::Consumer<pull::Config>;

/// Why no jobs come.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The streams cannot be made.
    #[error(transparent)]
    Streams(#[from] StreamError),
    /// The consumer cannot be made.
    #[error("cannot create the consumer of {queue}: {source}")]
    Consumer {
        /// The queue.
        queue: String,
        /// Why.
        source: ConsumerError,
    },
    /// The request for jobs was not sent or not answered well.
    #[error("cannot pull jobs: {0}")]
    Pull(String),
}

/// The consumer of a queue, made or brought up to date; so are the streams when
/// they are not there.
///
/// # Errors
/// When NATS is away or refuses.
pub(super) async fn consumer(bus: &Bus, queue: &str) -> Result<Consumer, PullError> {
    if let Ok(consumer) = create(bus, queue).await {
        return Ok(consumer);
    }
    bus.ensure_streams().await?;
    create(bus, queue).await
}

async fn create(bus: &Bus, queue: &str) -> Result<Consumer, PullError> {
    let stream = bus.jetstream();
    let known = stream.get_consumer_from_stream(queue, subject::JOBS).await;
    let config = match known {
        Ok(known) if is_current(&known.cached_info().config, queue) => return Ok(known),
        Ok(known) => pull::Config {
            // Updated without it, a paused queue would go on.
            pause_until: known.cached_info().config.pause_until,
            ..config(queue)
        },
        Err(_) => config(queue),
    };
    stream
        .create_consumer_on_stream(config, subject::JOBS)
        .await
        .map_err(|source| PullError::Consumer { queue: queue.to_owned(), source })
}

fn config(queue: &str) -> pull::Config {
    pull::Config {
        durable_name: Some(queue.to_owned()),
        filter_subject: subject::job(queue, ">"),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: HELD_MAX,
        // Attempts are counted in SQLite.
        max_deliver: -1,
        ..pull::Config::default()
    }
}

fn is_current(known: &consumer::Config, queue: &str) -> bool {
    let wanted = config(queue);
    known.filter_subject == wanted.filter_subject
        && known.ack_policy == wanted.ack_policy
        && known.ack_wait == wanted.ack_wait
        && known.max_ack_pending == wanted.max_ack_pending
        && known.max_deliver == wanted.max_deliver
}

/// Pulls messages, as many at once as there are, up to the batch.
pub(super) struct Pull {
    consumer: Consumer,
    batch: usize,
    waiting: Option<pull::Batch>,
    reconnects: watch::Receiver<u64>,
}

impl Pull {
    pub(super) fn new(consumer: Consumer, batch: usize, reconnects: watch::Receiver<u64>) -> Self {
        Self { consumer, batch, waiting: None, reconnects }
    }

    /// The next messages: at least one. Dropping the future loses none.
    ///
    /// # Errors
    /// When the consumer is gone or NATS is away.
    pub(super) async fn next(&mut self) -> Result<Vec<Message>, PullError> {
        loop {
            let waiting = match self.waiting.take() {
                Some(waiting) => waiting,
                None => self.request().await?,
            };
            let waiting = self.waiting.insert(waiting);
            let first = tokio::select! {
                biased;
                first = waiting.next() => first,
                _ = self.reconnects.changed() => None,
            };
            match first {
                Some(Ok(first)) => return Ok(self.with_ready(first)),
                Some(Err(error)) => {
                    self.waiting = None;
                    return Err(PullError::Pull(error.to_string()));
                }
                None => self.waiting = None,
            }
        }
    }

    async fn request(&mut self) -> Result<pull::Batch, PullError> {
        self.reconnects.mark_unchanged();
        let request = self.consumer.batch().max_messages(self.batch);
        let sent = request.expires(EXPIRES).messages().await;
        sent.map_err(|error| PullError::Pull(error.to_string()))
    }

    /// `first`, and what has arrived with it.
    fn with_ready(&mut self, first: Message) -> Vec<Message> {
        let mut messages = vec![first];
        if let Some(waiting) = &mut self.waiting {
            while messages.len() < self.batch {
                match waiting.next().now_or_never() {
                    Some(Some(Ok(message))) => messages.push(message),
                    // The end, or an error, is seen again by the next pull.
                    _ => break,
                }
            }
        }
        messages
    }

    /// What has arrived and nobody has taken.
    pub(super) fn into_unread(self) -> Vec<Message> {
        let mut unread = Vec::new();
        if let Some(mut waiting) = self.waiting {
            while let Some(Some(Ok(message))) = waiting.next().now_or_never() {
                unread.push(message);
            }
        }
        unread
    }
}
