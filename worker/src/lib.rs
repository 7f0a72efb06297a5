//! Executes the jobs of Hearth.
//!
//! `worker run` takes jobs from the queues and settles them; see
//! [`runner`] for how a job ends exactly once.

pub mod cli;
pub mod config;
pub mod images;
pub mod jobs;
pub mod mail;
pub mod memory;
pub mod metrics;
mod ops;
pub mod registry;
pub mod runner;

use std::sync::Arc;
use std::time::Duration;

use shared::blobs::Store;
use shared::bus::{Bus, relay};
use shared::db::{Data, Ttl, outbox};
use shared::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::config::{Config, DataConfig};
use crate::jobs::{Buckets, DataParts};
use crate::mail::Mailer;
use crate::metrics::Metrics;

/// After the signal to stop, the process ends within this.
const GRACE: Duration = Duration::from_secs(15);
/// How often the outbox is measured.
const MEASURE: Duration = Duration::from_secs(5);
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
    let registry = jobs::registry(&config, opened, buckets.clone())?;
    let metrics = Metrics::default();
    let ended = Shutdown::new();
    let background = TaskTracker::new();
    let ops = ops::ops(&metrics, &bus, data.as_ref(), buckets.as_ref());
    background.spawn(serve_ops(ops, listener, ended.clone()));
    background.spawn(ensure_streams(bus.clone(), shutdown.clone()));
    if let Some(data) = data.clone() {
        background.spawn(measure(data.clone(), metrics.clone(), ended.clone()));
        background.spawn(relay::run(data, bus.clone(), ended.clone()));
    }
    background.close();
    let shared = Arc::new(runner::Shared {
        bus,
        data,
        registry,
        metrics,
        shutdown: shutdown.clone(),
        acks: TaskTracker::new(),
    });
    tracing::info!(ops = %address, role = ?config.role, "the worker takes jobs");
    let work = async {
        runner::run(shared, &config.queues, config.role).await;
        ended.cancel();
        background.wait().await;
    };
    within_grace(work, shutdown).await
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

async fn measure(data: Data, metrics: Metrics, ended: Shutdown) {
    loop {
        match outbox::depth(&data).await {
            Ok(depth) => metrics.outbox(depth),
            Err(error) => tracing::warn!(%error, "the outbox cannot be measured"),
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(MEASURE) => {}
        }
    }
}
