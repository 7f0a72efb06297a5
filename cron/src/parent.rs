//! cron runs under Litestream and must not outlive it: without it nothing is
//! replicated, and its successor starts another cron.

use std::os::unix::process::parent_id;
use std::time::Duration;

use shared::shutdown::Shutdown;

/// Cancels `shutdown` when the process that started this one is gone.
pub(crate) async fn watch(shutdown: Shutdown) {
    let parent = parent_id();
    while parent_id() == parent {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = shutdown.cancelled() => return,
        }
    }
    tracing::warn!(parent, "the process that started this one is gone: stopping");
    shutdown.cancel();
}
