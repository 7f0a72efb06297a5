//! Tells the pages that follow a queue that jobs of it are done.
//!
//! A page that hears it reads the queue again, so one notice stands for many
//! jobs, and nothing is lost with one that is not sent: it costs no job a row.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::bus::{Bus, Message};
use shared::envelope::Envelope;
use shared::events::{Event, JobChange};
use shared::shutdown::Shutdown;
use tokio::sync::Notify;
use uuid::Uuid;

/// A queue tells no more than one notice in this time; the first one at once.
const PERIOD: Duration = Duration::from_millis(250);

/// The notices of one queue.
#[derive(Default)]
pub(super) struct Notices {
    newest: Mutex<Option<Done>>,
    news: Notify,
}

/// A job that is done.
struct Done {
    job: Uuid,
    kind: String,
    attempt: u32,
}

impl Notices {
    /// Has it told that `job` is done.
    pub(super) fn done(&self, job: &Envelope) {
        let done = Done { job: job.id, kind: job.kind.clone(), attempt: job.attempt };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        self.news.notify_one();
    }

    /// Tells until `stop`.
    pub(super) async fn tell(&self, bus: &Bus, queue: &str, stop: &Shutdown) {
        let told = async {
            loop {
                self.news.notified().await;
                self.tell_newest(bus, queue).await;
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = told => {}
        }
        // Nobody waits long for what is no loss.
        let _in_time = tokio::time::timeout(PERIOD, self.tell_newest(bus, queue)).await;
    }

    async fn tell_newest(&self, bus: &Bus, queue: &str) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Done { job, kind, attempt }) = newest else { return };
        let change = JobChange {
            job,
            queue: queue.to_owned(),
            kind,
            state: "done".to_owned(),
            attempt,
            error: None,
            progress: None,
        };
        if let Err(error) = bus.publish(&message(&Event::job(&change, job))).await {
            tracing::debug!(%error, queue, "that jobs are done was not told");
        }
    }
}

/// An event that is not sent through the outbox.
pub(super) fn message(event: &Event) -> Message {
    let Event { topic, envelope } = event;
    Message { msg_id: envelope.msg_id(), subject: topic.subject(), body: envelope.to_json().into() }
}
