//! Measures the outbox, and tells the admin when it stands still.

use std::time::Duration;

use shared::db::{Data, alerts, outbox};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::shutdown::Shutdown;

use crate::metrics::Metrics;

/// How often the outbox is measured.
const PERIOD: Duration = Duration::from_secs(5);
/// A message that waits for so long waits for more than a restart of NATS, in
/// milliseconds.
const STUCK_MS: i64 = 60_000;

/// Measures until `ended`.
pub async fn run(data: Data, metrics: Metrics, ended: Shutdown) {
    let mut stuck = false;
    loop {
        match outbox::depth(&data).await {
            Ok(depth) => {
                metrics.outbox(depth);
                let was = std::mem::replace(&mut stuck, depth.oldest_ms > STUCK_MS);
                if stuck && !was {
                    tell(&data, depth).await;
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "the outbox cannot be measured"),
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn tell(data: &Data, depth: outbox::Depth) {
    let text = format!(
        "{} messages wait in the outbox, the oldest for {} s: NATS is away or a stream is full; \
         they are sent when it takes them",
        depth.due,
        depth.oldest_ms / 1000
    );
    if let Err(error) = alerts::raise_now(data, AlertLevel::Warnings, text).await {
        tracing::warn!(error = chain(&error), "the admin could not be told of the outbox");
    }
}
