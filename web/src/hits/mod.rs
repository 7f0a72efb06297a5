//! Page views on their way in: packed, stored, answered.
//!
//! A synced write a view would be slow, and a view answered before it is on
//! disk could be lost. So the views that come while one pack is being stored
//! make up the next, and each is answered when its pack is on disk: in the
//! JOBS stream, or, while NATS is away, in the spool.

pub mod agent;
pub mod limit;
pub mod route;
mod spool;

use std::path::Path;
use std::time::Duration;

use shared::bus::{Bus, Message};
use shared::jobs::Job as _;
use shared::jobs::views::{CountViews, Hit};
use shared::shutdown::Shutdown;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use spool::Spool;

/// Views of one pack at most. The largest view that [`route`] lets in takes
/// less than 4 KB of JSON, so that no pack reaches NATS's limit of 1 MiB.
const PACK: usize = 250;
/// Views that wait at most; more are refused rather than kept in memory.
const WAITING: usize = 20_000;
/// How often the spool is looked at.
const SPOOL_PERIOD: Duration = Duration::from_secs(1);

/// A view was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// More views wait than can be stored in time.
    #[error("too many page views wait to be stored")]
    Overloaded,
    /// Neither NATS nor the disk took it.
    #[error("the page view could not be stored")]
    Failed,
}

type Waiting = (Hit, oneshot::Sender<Result<(), NotStored>>);

/// Handle to the packer of this process.
#[derive(Clone)]
pub struct Packer {
    queue: mpsc::Sender<Waiting>,
}

impl Packer {
    /// Starts packing, with a spool under `data_dir`. It ends when the last
    /// handle is dropped; the spool is emptied into NATS until `shutdown`.
    #[must_use]
    pub fn start(bus: Bus, data_dir: &Path, shutdown: Shutdown) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let spool = Spool::new(data_dir);
        tokio::spawn(pack(bus.clone(), spool.clone(), waiting));
        tokio::spawn(empty_spool(bus, spool, shutdown));
        Self { queue }
    }

    /// Stores a view; answers when it is on disk.
    ///
    /// # Errors
    /// When it is not.
    pub async fn store(&self, hit: Hit) -> Result<(), NotStored> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((hit, answer)).map_err(|_| NotStored::Overloaded)?;
        answered.await.unwrap_or(Err(NotStored::Failed))
    }
}

async fn pack(bus: Bus, spool: Spool, mut waiting: mpsc::Receiver<Waiting>) {
    let mut views = Vec::new();
    while waiting.recv_many(&mut views, PACK).await > 0 {
        let (hits, answers): (Vec<Hit>, Vec<_>) = views.drain(..).unzip();
        let stored = store(&bus, &spool, hits).await;
        for answer in answers {
            // A visitor who closed the page waits for no answer.
            let _ = answer.send(stored);
        }
    }
}

/// Stores a pack in NATS, else in the spool. A pack that NATS stored without
/// our knowing is sent again under the same id, and counted once.
async fn store(bus: &Bus, spool: &Spool, hits: Vec<Hit>) -> Result<(), NotStored> {
    let message = message(hits);
    if bus.ready().is_ok() {
        match bus.publish(&message).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(%error, "page views go to the spool"),
        }
    }
    spool.put(message).await.map_err(|error| {
        tracing::error!(%error, "page views could not be spooled");
        NotStored::Failed
    })
}

fn message(hits: Vec<Hit>) -> Message {
    let pack = CountViews { hits }.envelope(Uuid::now_v7());
    Message { msg_id: pack.msg_id(), subject: CountViews::subject(), body: pack.to_json().into() }
}

async fn empty_spool(bus: Bus, spool: Spool, shutdown: Shutdown) {
    let mut period = tokio::time::interval(SPOOL_PERIOD);
    let mut sweep = tokio::time::interval(spool::STALE);
    loop {
        tokio::select! {
            _ = period.tick() => {}
            _ = sweep.tick() => {
                if let Err(error) = spool.forget_leftovers().await {
                    tracing::warn!(%error, "half-written packs stay in the spool");
                }
            }
            () = shutdown.cancelled() => return,
        }
        if bus.ready().is_ok()
            && let Err(error) = spool.empty_into(&bus).await
        {
            tracing::warn!(%error, "the spool waits");
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::time::Instant;

    use super::*;

    #[test]
    fn a_pack_of_the_largest_views_fits_into_a_message() {
        let worst = route::largest(Uuid::now_v7(), Instant::now());
        let body = message(vec![worst; PACK]).body;
        assert!(body.len() < 1024 * 1024 - 4096, "{} bytes", body.len());
    }
}
