//! Takes jobs from their queues and settles them.
//!
//! Each queue has a durable pull consumer for each priority. Delivery is at
//! least once and may repeat at any time; what counts is written in SQLite, so
//! acknowledging late, twice or never costs time and nothing else. Attempts are
//! counted there too: an attempt that failed is acknowledged, and the next one
//! leaves through the outbox.

mod batch;
mod cancels;
mod compute;
mod control;
mod crew;
mod data;
mod delivery;
mod external;
mod limit;
mod notice;
mod pauses;
pub mod progress;
mod pull;
mod reports;
pub mod running;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::bus::Bus;
use shared::db::Data;
use shared::envelope::Envelope;
use shared::queues::{Queue, Queues};
use shared::shutdown::Shutdown;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::config::Role;
use crate::metrics::Metrics;
use crate::registry::Registry;
pub(crate) use batch::{publish_results, retry_or_bury};
use crew::{Crew, Gate};
use notice::Notices;
use running::Running;

/// A message that nobody spoke of for so long is delivered again: its worker is
/// gone. One that works says so far more often.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How often work on a message is told.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// So often a job may be begun without an outcome before it is dead: it takes its
/// process away. A compute worker, which keeps nothing, counts deliveries.
const VANISHED: i64 = 3;
/// How long a compute job may go on after the signal to stop.
const COMPUTE_GRACE: Duration = Duration::from_secs(10);

/// The settings in force; they change while the worker runs.
pub type Live = watch::Receiver<Arc<Queues>>;

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
    /// What can be cut off.
    pub running: Running,
}

/// Works on the queues that `role` takes until the shutdown, then finishes
/// what has begun. A queue whose settings change gets new hands; the old ones
/// finish what they have.
pub async fn run(shared: Arc<Shared>, mut queues: Live, role: Role) {
    let tracker = TaskTracker::new();
    let (renewed, renewals) = watch::channel(0);
    let listening = tokio::spawn(control::listen(Arc::clone(&shared), renewed));
    let keep_external = || tokio::spawn(external::keep(Arc::clone(&shared), queues.clone()));
    let _external = role.has_data().then(|| AbortOnDropHandle::new(keep_external()));
    let hear_reports = || tokio::spawn(reports::listen(Arc::clone(&shared), queues.clone()));
    let _reports = role.has_data().then(|| AbortOnDropHandle::new(hear_reports()));
    let keep_pauses =
        |data| tokio::spawn(pauses::keep(Arc::clone(&shared), data, renewals.clone()));
    let _pauses = shared.data.clone().map(|data| AbortOnDropHandle::new(keep_pauses(data)));
    let tell_cancels = |data| tokio::spawn(cancels::keep(Arc::clone(&shared), data));
    let _cancels = shared.data.clone().map(|data| AbortOnDropHandle::new(tell_cancels(data)));
    let mut crews: HashMap<String, Arc<Crew>> = HashMap::new();
    loop {
        let wanted = Arc::clone(&queues.borrow_and_update());
        crews.retain(|name, crew| {
            let same = wanted.queues.get(name) == Some(&crew.queue);
            if !same {
                crew.stop.cancel();
            }
            same
        });
        for (name, queue) in wanted.queues.iter().filter(|(_, q)| role.takes(q.role)) {
            let start = || start(&shared, name, queue, &renewals, &tracker);
            crews.entry(name.clone()).or_insert_with(start);
        }
        tokio::select! {
            () = shared.shutdown.cancelled() => break,
            Ok(()) = queues.changed() => {}
        }
    }
    tracker.close();
    tracker.wait().await;
    shared.acks.close();
    shared.acks.wait().await;
    listening.abort();
}

/// Has a queue worked on; a paused one by nobody.
fn start(
    shared: &Arc<Shared>,
    name: &str,
    queue: &Queue,
    renewals: &watch::Receiver<u64>,
    tracker: &TaskTracker,
) -> Arc<Crew> {
    let crew = Arc::new(Crew {
        name: name.to_owned(),
        queue: queue.clone(),
        shared: Arc::clone(shared),
        renewals: renewals.clone(),
        stop: shared.shutdown.child_token(),
        gate: Gate::new(queue),
        hands: Arc::new(Semaphore::new(queue.concurrency)),
        notices: Notices::default(),
        tracker: tracker.clone(),
    });
    if !queue.paused {
        tracker.spawn(Arc::clone(&crew).run());
    }
    crew
}

/// The span that all a job does is logged under.
fn job_span(queue: &str, job: &Envelope) -> tracing::Span {
    let Envelope { id, cause, kind, attempt, .. } = job;
    tracing::info_span!("job", %id, %cause, queue, kind, attempt)
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
