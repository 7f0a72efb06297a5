//! How far a job is, told live to those who watch its queue.
//!
//! An executor that runs outside of a transaction calls [`report`]; nothing is
//! kept, so that a report that is lost costs nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::bus::Bus;
use shared::envelope::Envelope;
use shared::events::{Event, JobChange, JobNews};

/// A job tells no more than one report in this time; the last one, at 1, is
/// always told.
pub(super) const PERIOD: Duration = Duration::from_millis(250);

tokio::task_local! {
    static REPORTER: Arc<Reporter>;
}

/// Tells of one attempt.
pub(super) struct Reporter {
    bus: Bus,
    change: JobChange,
    told: Mutex<Option<Instant>>,
}

/// Tells that the job of the calling task has done `part` (0 to 1) of its work.
/// Outside of a job it does nothing.
pub fn report(part: f32) {
    let _no_job = REPORTER.try_with(|reporter| Arc::clone(reporter).tell(part));
}

/// Runs an attempt whose reports are told.
pub(super) fn telling<T, F: Future<Output = T>>(
    bus: Bus,
    queue: &str,
    job: &Envelope,
    attempt: F,
) -> impl Future<Output = T> + use<T, F> {
    let change = JobChange::new(queue, job, JobNews::Running);
    let reporter = Reporter { bus, change, told: Mutex::default() };
    REPORTER.scope(Arc::new(reporter), attempt)
}

impl Reporter {
    fn tell(self: Arc<Self>, part: f32) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if part < 1.0 && told.is_some_and(|last| now - last < PERIOD) {
            return;
        }
        *told = Some(now);
        drop(told);
        let change = JobChange { progress: Some(part.clamp(0.0, 1.0)), ..self.change.clone() };
        let message = Event::job(&change).into();
        tokio::spawn(async move {
            if let Err(error) = self.bus.publish(&message).await {
                tracing::debug!(%error, "a report of progress was not told");
            }
        });
    }
}
