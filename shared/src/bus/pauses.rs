//! Pausing a queue: it stands in `data.db`, and NATS, which hands out, is told.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer;
use futures_util::TryStreamExt as _;

use super::Bus;
use super::control::Control;
use super::publish::{Receipt, Refusal};
use super::queues::{QueueError, failed};
use crate::db::{self, Data, pauses};
use crate::jobs::enqueue::Priority;
use crate::subject::{self, JobAddress};
use crate::time::Instant;

/// NATS is asked for so long at most: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// A pause has to have an end; this one is as good as none.
pub const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// What NATS says of a consumer that is not there.
const NO_CONSUMER: u64 = 10014;

/// A queue could not be paused, or not be made to go on, at once.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// It is not even written down.
    #[error("the pause cannot be written down")]
    Database(#[from] db::Error),
    /// It is written down, and NATS was not told.
    #[error("it is written down, and in force as soon as NATS can be told")]
    Untold(#[source] QueueError),
}

/// Pauses the queue `name`, or lets it go on; also one that no worker has ever
/// taken from, and over the loss of all that NATS knows.
///
/// # Errors
/// When it cannot be written down, or NATS is away: then a worker tells NATS.
pub async fn set(data: &Data, bus: &Bus, name: &str, paused: bool) -> Result<(), PauseError> {
    pauses::set(data, name.to_owned(), paused).await?;
    bus.set_paused(name, paused).await.map_err(PauseError::Untold)
}

impl Bus {
    /// Has NATS hand out no more jobs of the queue `name`, or jobs of it again.
    /// Consumers that are not there are made as `data.db` says.
    ///
    /// # Errors
    /// When NATS is away or refuses.
    pub async fn set_paused(&self, name: &str, paused: bool) -> Result<(), QueueError> {
        self.ready().map_err(failed)?;
        for priority in Priority::ALL {
            self.set_lane_paused(name, priority, paused).await?;
        }
        if !paused {
            // A request that waits at the server since before is not served.
            self.control(&Control::Pull { queue: name.to_owned() }).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn set_lane_paused(
        &self,
        name: &str,
        priority: Priority,
        paused: bool,
    ) -> Result<(), QueueError> {
        let consumer = subject::consumer(name, priority);
        let subject = format!("$JS.API.CONSUMER.PAUSE.{}.{consumer}", subject::JOBS);
        let body = match paused {
            true => serde_json::json!({"pause_until": Instant::now().plus(FOR_EVER)}),
            false => serde_json::json!({}),
        };
        let request = self.client().request(subject, body.to_string().into());
        let answer = tokio::time::timeout(PATIENCE, request).await;
        let answer = answer.map_err(|_| failed("no answer in time"))?.map_err(failed)?;
        let answer: Receipt = serde_json::from_slice(&answer.payload).map_err(failed)?;
        match answer.error {
            None | Some(Refusal { err_code: NO_CONSUMER, .. }) => Ok(()),
            Some(refusal) => Err(failed(refusal.description)),
        }
    }

    /// Whether NATS hands out no jobs of each queue that has consumers.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn paused_queues(&self) -> Result<BTreeMap<String, bool>, QueueError> {
        let stream = self.jetstream().get_stream_no_info(subject::JOBS).await.map_err(failed)?;
        let mut consumers = stream.consumers();
        let mut paused = BTreeMap::new();
        while let Some(info) = consumers.try_next().await.map_err(failed)? {
            if let Some(queue) = queue_of(&info) {
                *paused.entry(queue).or_insert(false) |= info.paused;
            }
        }
        Ok(paused)
    }
}

/// The queue that a consumer takes from.
fn queue_of(info: &consumer::Info) -> Option<String> {
    let filter = info.config.filter_subjects.first()?;
    JobAddress::parse(filter).map(|address| address.queue.to_owned())
}
