//! Sends the periodic jobs of `deploy/queues.yml` when they are due.

use std::time::Duration;

use shared::db::{Data, periodic};
use shared::error::chain;
use shared::jobs::enqueue::{Enqueue, Hold};
use shared::queues::Periodic;
use shared::shutdown::Shutdown;
use uuid::Uuid;

use crate::runner::Live;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(1);

/// Sends what is due until `shutdown`.
pub async fn run(data: Data, queues: Live, shutdown: Shutdown) {
    let mut kept = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let settings = queues.borrow().clone();
        let names: Vec<String> = settings.periodic.keys().cloned().collect();
        if kept.as_ref() != Some(&names) {
            match periodic::keep_only(&data, names.clone()).await {
                Ok(()) => kept = Some(names),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "old periodic jobs were not forgotten");
                }
            }
        }
        for (name, job) in &settings.periodic {
            if let Err(error) = send_if_due(&data, name, job).await {
                tracing::warn!(name, error = chain(&error), "a periodic job was not sent");
            }
        }
    }
}

async fn send_if_due(data: &Data, name: &str, job: &Periodic) -> Result<(), shared::db::Error> {
    if !periodic::is_due(data, name.to_owned(), &job.schedule).await? {
        return Ok(());
    }
    let Periodic { queue, kind, payload, schedule, priority, unique_key } = job;
    let next = Enqueue::of(queue.clone(), kind, Uuid::now_v7(), payload.clone());
    let mut next = next.priority(*priority);
    if let Some(key) = unique_key {
        next = next.unique(key, Hold::UntilOver);
    }
    periodic::send(data, name.to_owned(), schedule.clone(), next).await
}
