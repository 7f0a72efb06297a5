//! Marks the backup bucket once it holds a replica: Litestream itself calls a
//! restore from a wrong, empty place a success.

use std::time::Duration;

use serde_json::json;
use shared::blobs::{Bucket, Error, PutOptions};
use shared::error::chain;
use shared::shutdown::Shutdown;
use shared::time::Instant;

use crate::backup::SENTINEL;
use crate::config::Stores;
use crate::litestream::REPLICA_PATH;

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks until the sentinel is there, and writes it when the replica is.
pub(crate) async fn keep(stores: Stores, shutdown: Shutdown) {
    loop {
        match ensure(&stores.backup).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(error = chain(&error), "no sentinel yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Whether the sentinel is there now.
async fn ensure(backup: &Bucket) -> Result<bool, Error> {
    match backup.head(SENTINEL).await {
        Err(error) if error.is_not_found() => {}
        found => return found.map(|_| true),
    }
    if !has_replica(backup).await? {
        return Ok(false);
    }
    let about = json!({"site": "hearth", "replica": REPLICA_PATH, "created": Instant::now()});
    let document = about.to_string().into_bytes().into();
    backup.put(SENTINEL, document, PutOptions::typed("application/json")).await?;
    tracing::info!(bucket = backup.name(), "the replica is there, and marked as such");
    Ok(true)
}

/// Whether the bucket holds a file of the replica.
///
/// # Errors
/// When the store fails.
pub(crate) async fn has_replica(backup: &Bucket) -> Result<bool, Error> {
    let page = backup.list_page(&format!("{REPLICA_PATH}/"), None).await?;
    Ok(!page.objects.is_empty())
}
