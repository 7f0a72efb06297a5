//! One backup, drill or promotion at a time, whichever process runs it.

use std::time::Duration;

use shared::db::Data;
use shared::db::backups::{self, schedule};
use shared::shutdown::Shutdown;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Error;
use crate::config::Config;

const NAME: &str = "backups";
/// A process that died is waited for no longer than this.
const LIFE: Duration = Duration::from_secs(60);
const RENEW: Duration = Duration::from_secs(15);

/// The lease on backups, renewed until it is released.
#[derive(Debug)]
pub struct Lease {
    owner: String,
    lost: Shutdown,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease, and clears up after a holder that died.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds it.
    pub async fn take(data: &Data, config: &Config) -> Result<Self, Error> {
        let owner = format!("{}-{}", std::process::id(), Uuid::now_v7());
        if !schedule::lease(data, NAME, owner.clone(), LIFE).await? {
            return Err(Error::Busy);
        }
        let lost = Shutdown::new();
        let renewing = tokio::spawn(renew(data.clone(), owner.clone(), lost.clone()));
        let lease = Self { owner, lost, renewing };
        let cut_off = backups::end_abandoned(data).await?;
        if cut_off > 0 {
            tracing::warn!(cut_off, "runs of a process that died were ended");
        }
        match std::fs::remove_dir_all(config.scratch()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "what an earlier run left behind could not be deleted");
            }
            _ => {}
        }
        Ok(lease)
    }

    /// Cancelled when the lease could not be renewed in time.
    #[must_use]
    pub fn lost(&self) -> &Shutdown {
        &self.lost
    }

    /// Gives it back.
    pub async fn release(self, data: &Data) {
        self.renewing.abort();
        if let Err(error) = schedule::release(data, NAME, self.owner.clone()).await {
            tracing::warn!(%error, "the lease on backups ends by itself, within a minute");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(data: Data, owner: String, lost: Shutdown) {
    let mut renewed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(RENEW).await;
        match schedule::lease(&data, NAME, owner.clone(), LIFE).await {
            Ok(true) => renewed = tokio::time::Instant::now(),
            Ok(false) => break,
            Err(error) => tracing::warn!(%error, "the lease on backups was not renewed"),
        }
        if renewed.elapsed() + RENEW >= LIFE {
            break;
        }
    }
    tracing::error!("the lease on backups is lost");
    lost.cancel();
}
