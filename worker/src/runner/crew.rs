//! Those who work on one queue: one pulls, each free hand takes what it pulled.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use shared::db::begun;
use shared::error::chain;
use shared::queues::{Queue, Role};
use shared::shutdown::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use super::delivery::{self, Delivery, Read};
use super::limit::Limit;
use super::notice::Notices;
use super::pull::{self, Pull, PullError};
use super::{HEARTBEAT, Shared};

/// What the hands of one queue share.
pub(super) struct Gate {
    /// Units of concurrency that are free.
    units: Semaphore,
    concurrency: usize,
    pub(super) limit: Option<Limit>,
}

impl Gate {
    pub(super) fn new(queue: &Queue) -> Self {
        let concurrency = queue.concurrency;
        let limit = queue.rate.as_ref().map(Limit::new);
        Self { units: Semaphore::new(concurrency), concurrency, limit }
    }

    /// Waits until `cost` units are free, or all, for a job that costs more.
    pub(super) async fn enter(&self, cost: u32) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let all = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        self.units.acquire_many(cost.clamp(1, all)).await.ok()
    }
}

/// The greatest cost of the jobs of a message.
pub(super) fn cost(reads: &[Read]) -> u32 {
    reads.iter().flatten().map(|job| job.cost).max().unwrap_or(1)
}

/// The hands of one queue with one set of settings.
pub(super) struct Crew {
    pub(super) name: String,
    pub(super) queue: Queue,
    pub(super) shared: Arc<Shared>,
    pub(super) renewals: watch::Receiver<u64>,
    pub(super) stop: Shutdown,
    pub(super) gate: Gate,
    /// Those that have nothing to do.
    pub(super) hands: Arc<Semaphore>,
    /// What is told of them.
    pub(super) notices: Notices,
    /// What they do.
    pub(super) tracker: TaskTracker,
}

impl Crew {
    /// Works, and tells of it, until it is told to stop.
    pub(super) async fn run(self: Arc<Self>) {
        let telling = self.notices.tell(&self.shared.bus, &self.stop);
        tokio::join!(self.work_on(), telling);
    }

    /// Whatever happens to the consumers.
    async fn work_on(self: &Arc<Self>) {
        let mut failures = 0;
        while let Err(error) = self.serve(&mut failures).await {
            if failures == 0 {
                tracing::warn!(queue = self.name, %error, "the queue waits for NATS");
            }
            failures = (failures + 1).min(6);
            let pause = Duration::from_millis(50 << failures);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn serve(self: &Arc<Self>, failures: &mut u32) -> Result<(), PullError> {
        let consumers = pull::consumers(&self.shared, &self.name).await?;
        if std::mem::take(failures) > 0 {
            tracing::info!(queue = self.name, "the queue goes on");
        }
        let size = pull::Size { batch: self.queue.batch, linger: self.queue.linger };
        let mut pull = Pull::new(consumers, size, self.renewals.clone());
        let pulled = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            passed_over = pull::until_passed_over(&self.shared.bus, &self.name) => Err(passed_over),
            failed = self.hand_out(&mut pull) => failed.map(|never| match never {}),
        };
        let unread = pull.into_unread().into_iter();
        let unread = unread.map(|message| Delivery::new(message, &self.name)).collect::<Vec<_>>();
        self.give_back(&unread, None).await;
        pulled
    }

    /// Gives what is pulled to whoever is free.
    async fn hand_out(self: &Arc<Self>, pull: &mut Pull) -> Result<Infallible, PullError> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if heartbeat.tick().now_or_never().is_some() {
                pull.hold().await;
            }
            if self.queue.role == Role::Data {
                // The next batch is on its way while this one is written.
                pull.request().await?;
            }
            let hand = self.free_hand(pull, &mut heartbeat).await;
            let messages = pull.next().await?;
            let deliveries = messages.into_iter().map(|message| Delivery::new(message, &self.name));
            let (crew, deliveries) = (Arc::clone(self), deliveries.collect());
            self.tracker.spawn(async move {
                crew.work(deliveries).await;
                drop(hand);
            });
        }
    }

    /// Waits until somebody is free; what has arrived by then is kept from
    /// being delivered to others.
    async fn free_hand(&self, pull: &mut Pull, heartbeat: &mut Interval) -> OwnedSemaphorePermit {
        let free = Arc::clone(&self.hands).acquire_owned();
        tokio::pin!(free);
        loop {
            tokio::select! {
                biased;
                hand = &mut free => return hand.expect("the semaphore is never closed"),
                _ = heartbeat.tick() => pull.hold().await,
            }
        }
    }

    async fn work(&self, deliveries: Vec<Delivery>) {
        let _in_flight = self.shared.metrics.begin(&self.name, deliveries.len());
        let _heartbeat = delivery::heartbeat(&deliveries, HEARTBEAT);
        match (&self.shared.data, self.queue.role) {
            (Some(data), Role::Data) => self.work_data(data, deliveries).await,
            _ => {
                for delivery in deliveries {
                    self.work_compute(delivery).await;
                }
            }
        }
    }

    /// Gives back what was not settled, to come again after `delay`. It is noted
    /// that this is nobody's fault; a pack is taken apart when it comes too often,
    /// and its jobs begin anew.
    pub(super) async fn give_back(&self, deliveries: &[Delivery], delay: Option<Duration>) {
        let alone = deliveries.iter().filter(|delivery| !delivery.is_pack());
        let jobs = alone.flat_map(Delivery::jobs).flatten();
        let attempts: Vec<_> = jobs.map(|job| (job.id, job.attempt)).collect();
        if let Some(data) = self.shared.data.as_ref().filter(|_| !attempts.is_empty())
            && let Err(error) = begun::given_back(data, attempts).await
        {
            tracing::debug!(error = chain(&error), "that jobs are given back was not noted");
        }
        for delivery in deliveries {
            delivery.give_back(delay).await;
        }
    }

    /// Acknowledges in the background: the next batch need not wait for it.
    pub(super) fn ack(&self, delivery: &Delivery) {
        let acker = delivery.acker(self.shared.bus.client());
        self.shared.acks.spawn(acker.ack());
    }
}
