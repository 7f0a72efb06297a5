//! Executes the jobs of Hearth.
//!
//! `worker run` takes jobs from the queues and settles them; see
//! [`runner`] for how a job ends exactly once.

pub mod advisories;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod images;
pub mod jobs;
pub mod mail;
pub mod memory;
pub mod metrics;
mod ops;
mod outbox_watch;
pub mod periodic;
pub mod registry;
pub mod reload;
pub mod runner;
pub mod unlisted;
pub mod watched;

use std::sync::Arc;
use std::time::Duration;

use shared::blobs::Store;
use shared::bus::{Bus, relay};
use shared::db::{Data, Ttl};
use shared::queues::Queues;
use shared::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config::{Config, DataConfig};
use crate::gateway::schedule::Scheduler;
use crate::jobs::{Buckets, DataParts};
use crate::mail::Mailer;
use crate::metrics::Metrics;

/// After the signal to stop, the process ends within this.
const GRACE: Duration = Duration::from_secs(15);
/// The pause before the streams are tried again.
const STREAMS_PAUSE: Duration = Duration::from_secs(1);

/// Why the worker did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A database cannot be used.
    #[error(transparent)]
    Database(#[from] shared::db::Error),
    /// NATS cannot be tried.
    #[error(transparent)]
    Bus(#[from] shared::bus::ConnectError),
    /// A bucket has no address.
    #[error(transparent)]
    Store(#[from] shared::blobs::Error),
    /// The mail server has no address.
    #[error(transparent)]
    Mail(#[from] mail::MailError),
    /// The executors do not fit together, or not with the queues.
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
    /// The ops listener cannot be opened.
    #[error("cannot listen on {address} for health and metrics")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// What was running did not end in time; it is done again elsewhere.
    #[error("not everything ended within {} s", GRACE.as_secs())]
    Grace,
}

/// Works until `shutdown`: then stops taking jobs, finishes what runs, sends
/// what the outbox holds, and ends within its grace.
///
/// # Errors
/// When it cannot start, or does not end in time. NATS and the object store may
/// be away: they are waited for.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let address = config.ops_addr;
    let listener =
        TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let opened = config.data.as_ref().map(open_data).transpose()?;
    let buckets = config.store.as_ref().map(buckets).transpose()?;
    let bus = Bus::connect(&config.nats_url, "worker").await?;
    let data = opened.as_ref().map(|parts| parts.data.clone());
    let (changed, queues) = watch::channel(Arc::new(config.queues.clone()));
    let scheduler = config.data.as_ref().map(|it| Scheduler::new(&it.sources, queues.clone()));
    let sources = scheduler.as_ref().map(Scheduler::live);
    let registry = jobs::registry(&queues, opened.zip(sources), buckets.clone())?;
    let metrics = Metrics::default();
    let ended = Shutdown::new();
    let background = TaskTracker::new();
    let ops = ops::ops(&metrics, &bus, data.as_ref(), buckets.as_ref());
    background.spawn(serve_ops(ops, listener, ended.clone()));
    background.spawn(ensure_streams(bus.clone(), shutdown.clone()));
    if let Some(data) = data.clone() {
        background.spawn(outbox_watch::run(data.clone(), metrics.clone(), ended.clone()));
        background.spawn(advisories::run(bus.clone(), data.clone(), shutdown.clone()));
        background.spawn(relay::run(data, bus.clone(), ended.clone()));
    }
    if let Some(data) = data.clone() {
        let live = queues.clone();
        background.spawn(unlisted::run(bus.clone(), data.clone(), live, shutdown.clone()));
        background.spawn(periodic::run(data, queues.clone(), shutdown.clone()));
    }
    let shared = Arc::new(runner::Shared {
        bus,
        data,
        registry,
        metrics,
        shutdown: shutdown.clone(),
        acks: TaskTracker::new(),
        running: runner::running::Running::default(),
    });
    if let Some((data, scheduler)) = shared.data.clone().zip(scheduler) {
        background.spawn(scheduler.run(data, shutdown.clone()));
    }
    background.spawn(follow_queues(&config, Arc::clone(&shared), changed));
    background.close();
    tracing::info!(ops = %address, role = ?config.role, "the worker takes jobs");
    let work = async {
        runner::run(shared, queues, config.role).await;
        ended.cancel();
        background.wait().await;
    };
    within_grace(work, shutdown).await
}

/// Follows the file of queues; settings that the executors cannot work with
/// are refused.
fn follow_queues(
    config: &Config,
    shared: Arc<runner::Shared>,
    changed: watch::Sender<Arc<Queues>>,
) -> impl Future<Output = ()> + use<> {
    let dir = config.data.as_ref().map(|data| data.dir.clone());
    let stores = reload::Stores { bus: shared.bus.clone(), data: shared.data.clone(), dir };
    let shutdown = shared.shutdown.clone();
    let fits =
        move |queues: &Queues| shared.registry.check(queues).map_err(|error| error.to_string());
    reload::follow(config.queues_file.clone(), fits, stores, changed, shutdown)
}

async fn within_grace(work: impl Future<Output = ()>, shutdown: Shutdown) -> Result<(), RunError> {
    let grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => Ok(()),
        () = grace => Err(RunError::Grace),
    }
}

fn open_data(config: &DataConfig) -> Result<DataParts, RunError> {
    Ok(DataParts {
        data: Data::open(&config.dir)?,
        ttl: Ttl::open(&config.dir)?,
        mailer: Mailer::new(&config.transport, config.from.clone())?,
        site_url: config.site_url.clone(),
        moderation: config.moderation,
    })
}

fn buckets(config: &shared::config::LocalStore) -> Result<Buckets, RunError> {
    let store = Store::new(&config.s3);
    Ok(Buckets { private: store.bucket(&config.private)?, public: store.bucket(&config.public)? })
}

async fn serve_ops(ops: shared::telemetry::ops::Ops, listener: TcpListener, ended: Shutdown) {
    if let Err(error) = ops.serve(listener, ended).await {
        tracing::error!(%error, "health and metrics are no longer served");
    }
}

/// Makes the streams once NATS is there, so that the outbox has somewhere to go
/// even on a site whose first process this is.
async fn ensure_streams(bus: Bus, shutdown: Shutdown) {
    while let Err(error) = bus.ensure_streams().await {
        tracing::debug!(%error, "the streams wait for NATS");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(STREAMS_PAUSE) => {}
        }
    }
}
