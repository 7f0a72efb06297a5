//! Attempts that can be cut off while they run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What runs in this process outside of a transaction.
#[derive(Default)]
pub struct Running(Mutex<HashMap<Uuid, CancellationToken>>);

/// One attempt, until it is dropped.
pub(super) struct Attempt<'a> {
    of: &'a Running,
    job: Uuid,
    token: CancellationToken,
}

impl Running {
    /// An attempt begins.
    pub(super) fn begin(&self, job: Uuid) -> Attempt<'_> {
        let token = CancellationToken::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(job, token.clone());
        Attempt { of: self, job, token }
    }

    /// Cuts the job off, if it runs here.
    pub(super) fn cancel(&self, job: Uuid) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = running.get(&job) {
            tracing::info!(%job, "a job is cut off: it was cancelled");
            token.cancel();
        }
    }
}

impl Attempt<'_> {
    /// Ends when the job is cancelled.
    pub(super) async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}
