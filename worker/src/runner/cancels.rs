//! Tells again which jobs are cancelled and not over: a program that took one
//! since, after the one before it died, was not there to hear it.

use std::sync::Arc;
use std::time::Duration;

use shared::bus::control::Control;
use shared::db::{Data, done};
use shared::error::chain;

use super::Shared;

/// How often it is told.
const PERIOD: Duration = Duration::from_secs(5);

/// Tells it now and then, until it is dropped.
pub(super) async fn keep(shared: Arc<Shared>, data: Data) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(problem) = tell(&shared, &data).await {
            tracing::debug!(problem, "programs will be told later what is cancelled");
        }
    }
}

async fn tell(shared: &Shared, data: &Data) -> Result<(), String> {
    for id in done::cancelled_and_not_over(data).await.map_err(|error| chain(&error))? {
        let Ok(job) = id.parse() else { continue };
        let told = shared.bus.control(&Control::Cancel { job }).await;
        told.map_err(|error| error.to_string())?;
    }
    Ok(())
}
