//! Takes jobs from their queues and settles them.
//!
//! Each queue has one durable pull consumer. Delivery is at least once and may
//! repeat at any time; what counts is written in SQLite, so acknowledging late,
//! twice or never costs time and nothing else. Attempts are counted there too:
//! an attempt that failed is acknowledged, and the next one leaves through the
//! outbox.

mod compute;
mod data;
mod delivery;
mod pull;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use shared::bus::Bus;
use shared::db::Data;
use shared::queues::Queue;
use shared::shutdown::Shutdown;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config::Role;
use crate::metrics::Metrics;
use crate::registry::Registry;
pub(crate) use data::retry_or_bury;
use delivery::Delivery;
use pull::Pull;

/// A message that nobody spoke of for so long is delivered again: its worker is
/// gone. One that works says so far more often.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How often work on a message is told.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Deliveries of one attempt that may vanish without an outcome before the
/// attempt counts as failed: the job kills its process.
const VANISHED: i64 = 3;
/// How long a compute job may go on after the signal to stop.
const COMPUTE_GRACE: Duration = Duration::from_secs(10);
/// How often the connection is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// What all queues share.
pub struct Shared {
    /// NATS.
    pub bus: Bus,
    /// The database, of a role that has it.
    pub data: Option<Data>,
    /// Who runs what.
    pub registry: Registry,
    /// What is counted.
    pub metrics: Metrics,
    /// Stop taking jobs.
    pub shutdown: Shutdown,
    /// Acknowledgements under way.
    pub acks: TaskTracker,
}

/// One worker of one queue.
struct Slot {
    name: String,
    queue: Queue,
    shared: Arc<Shared>,
    reconnects: watch::Receiver<u64>,
}

/// Works on the queues that `role` takes until the shutdown, then finishes
/// what has begun.
pub async fn run(shared: Arc<Shared>, queues: &shared::queues::Queues, role: Role) {
    let tracker = TaskTracker::new();
    let (reconnected, reconnects) = watch::channel(0);
    let watching = tokio::spawn(watch_connection(shared.bus.clone(), reconnected));
    for (name, queue) in queues.queues.iter().filter(|(_, q)| role.takes(q.role)) {
        for _ in 0..queue.concurrency {
            let slot = Slot {
                name: name.clone(),
                queue: queue.clone(),
                shared: Arc::clone(&shared),
                reconnects: reconnects.clone(),
            };
            tracker.spawn(slot.run());
        }
    }
    tracker.close();
    tracker.wait().await;
    shared.acks.close();
    shared.acks.wait().await;
    watching.abort();
}

/// Tells each new connection to NATS: pulls of the one before are lost.
async fn watch_connection(bus: Bus, reconnected: watch::Sender<u64>) {
    let statistics = bus.client().statistics();
    loop {
        let connects = statistics.connects.load(std::sync::atomic::Ordering::Relaxed);
        reconnected.send_if_modified(|seen| std::mem::replace(seen, connects) != connects);
        tokio::time::sleep(WATCH).await;
    }
}

impl Slot {
    /// Works until the shutdown, whatever happens to the consumer.
    async fn run(self) {
        let mut failures = 0;
        while let Err(error) = self.serve(&mut failures).await {
            if failures == 0 {
                tracing::warn!(queue = self.name, %error, "the queue waits for NATS");
            }
            failures = (failures + 1).min(6);
            let pause = Duration::from_millis(50 << failures);
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn serve(&self, failures: &mut u32) -> Result<(), pull::PullError> {
        let consumer = pull::consumer(&self.shared.bus, &self.name).await?;
        if std::mem::take(failures) > 0 {
            tracing::info!(queue = self.name, "the queue goes on");
        }
        let mut pull = Pull::new(consumer, self.queue.batch, self.reconnects.clone());
        loop {
            let messages = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => break,
                messages = pull.next() => messages?,
            };
            let deliveries = messages.into_iter().map(|message| Delivery::new(message, &self.name));
            self.work(deliveries.collect()).await;
        }
        for message in pull.into_unread() {
            let _redelivered_later_else = message.ack_with(AckKind::Nak(None)).await;
        }
        Ok(())
    }

    async fn work(&self, deliveries: Vec<Delivery>) {
        let _in_flight = self.shared.metrics.begin(&self.name, deliveries.len());
        let _heartbeat = delivery::heartbeat(&deliveries, HEARTBEAT);
        match (&self.shared.data, self.queue.role) {
            (Some(data), shared::queues::Role::Data) => self.work_data(data, deliveries).await,
            _ => {
                for delivery in deliveries {
                    self.work_compute(delivery).await;
                }
            }
        }
    }

    /// Acknowledges in the background: the next batch need not wait for it.
    fn ack(&self, delivery: &Delivery) {
        let acker = delivery.acker(self.shared.bus.client());
        self.shared.acks.spawn(acker.ack());
    }
}

/// `pause`, a fifth shorter to a fifth longer: jobs that failed together come
/// back apart.
fn jitter(pause: Duration) -> Duration {
    let random = u32::from_le_bytes(shared::signin::random());
    pause.mul_f64(0.8 + 0.4 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_fifth_and_differs() {
        let pause = Duration::from_secs(10);
        let pauses: Vec<Duration> = (0..200).map(|_| jitter(pause)).collect();
        for pause in &pauses {
            assert!((8.0..=12.0).contains(&pause.as_secs_f64()), "{pause:?}");
        }
        let (least, most) = (pauses.iter().min(), pauses.iter().max());
        assert!(most.unwrap().as_secs_f64() - least.unwrap().as_secs_f64() > 1.0);
    }
}
