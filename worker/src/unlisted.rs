//! Tells the admin of jobs that nobody takes: those of a queue that
//! `deploy/queues.yml` does not have. They stay where they are, and are worked on
//! when the file has the queue.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::bus::Bus;
use shared::db::{self, Data, alerts};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::shutdown::Shutdown;

use crate::runner::Live;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(10);

/// Looks until `shutdown`; tells of a queue once, and again when it was gone.
pub async fn run(bus: Bus, data: Data, queues: Live, shutdown: Shutdown) {
    let mut told: BTreeSet<String> = BTreeSet::new();
    loop {
        // While NATS is away nothing is known, and nothing new.
        if let Ok(mut held) = bus.jobs_by_queue().await {
            held.retain(|name, _| !queues.borrow().queues.contains_key(name));
            told.retain(|name| held.contains_key(name));
            for (name, jobs) in held {
                if told.contains(&name) {
                    continue;
                }
                match tell(&data, &name, jobs).await {
                    Ok(()) => {
                        told.insert(name);
                    }
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "the alert could not be kept");
                    }
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn tell(data: &Data, queue: &str, jobs: u64) -> Result<(), db::Error> {
    let text = format!(
        "no worker takes the queue {queue}: it holds {jobs} jobs, and the file of queues does \
         not have it; they are worked on once it has"
    );
    alerts::raise_now(data, AlertLevel::Warnings, text).await
}
