//! Tells the pages that follow a queue that jobs of it run, or are done.
//!
//! A page that hears it reads the queue again, so one notice stands for many
//! jobs, and nothing is lost with one that is not sent: it costs no job a row.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::bus::Bus;
use shared::envelope::Envelope;
use shared::events::{Event, JobChange, JobNews};
use shared::shutdown::Shutdown;
use tokio::sync::Notify;

/// A queue tells no more than one notice in this time; the first one at once.
const PERIOD: Duration = Duration::from_millis(250);

/// The notices of one queue.
#[derive(Default)]
pub(super) struct Notices {
    newest: Mutex<Option<JobChange>>,
    news: Notify,
}

impl Notices {
    /// Has it told that `job` is in `state`, unless something more telling is
    /// about to be.
    pub(super) fn note(&self, queue: &str, job: &Envelope, state: JobNews) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_none_or(|newest| newest.state <= state) {
            *newest = Some(JobChange::new(queue, job, state));
        }
        self.news.notify_one();
    }

    /// Tells until `stop`.
    pub(super) async fn tell(&self, bus: &Bus, stop: &Shutdown) {
        let told = async {
            loop {
                self.news.notified().await;
                self.tell_newest(bus).await;
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = told => {}
        }
        // Nobody waits long for what is no loss.
        let _in_time = tokio::time::timeout(PERIOD, self.tell_newest(bus)).await;
    }

    async fn tell_newest(&self, bus: &Bus) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(change) = newest else { return };
        if let Err(error) = bus.publish(&Event::job(&change).into()).await {
            tracing::debug!(%error, queue = change.queue, "what became of jobs was not told");
        }
    }
}
