//! Keeps NATS to the pauses that stand in `data.db`: it may have been away when
//! one was written down, or have lost it with a consumer.

use std::sync::Arc;
use std::time::Duration;

use shared::db::{Data, pauses};
use shared::error::chain;
use tokio::sync::watch;

use super::Shared;

/// How often it is looked whether NATS has them.
const PERIOD: Duration = Duration::from_secs(10);

/// Tells NATS what it does not have, after each new connection and now and
/// then, until it is dropped.
pub(super) async fn keep(shared: Arc<Shared>, data: Data, mut renewals: watch::Receiver<u64>) {
    loop {
        if let Err(problem) = apply(&shared, &data).await {
            tracing::debug!(problem, "the pauses wait for NATS");
        }
        tokio::select! {
            Ok(()) = renewals.changed() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn apply(shared: &Shared, data: &Data) -> Result<(), String> {
    let wanted = pauses::all(data).await.map_err(|error| chain(&error))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let known = shared.bus.paused_queues().await.map_err(|error| error.to_string())?;
    for (queue, paused) in wanted {
        if known.get(&queue).is_some_and(|known| *known != paused) {
            tracing::info!(queue, paused, "NATS is told again");
            let told = shared.bus.set_paused(&queue, paused).await;
            told.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
