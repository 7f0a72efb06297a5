//! Scheduled cleanup, backups and restore drills of Hearth.
//!
//! `main` reads the command line; everything else is here, one module a
//! command, so that tests can run what the binary runs.

pub mod backup;
pub mod cli;
pub mod commands;
pub mod config;
pub mod litestream;
mod metrics;
mod parent;
pub mod prepare;
pub mod restore;
pub mod schedule;
mod sentinel;
pub mod tasks;
pub mod words;

use shared::blobs;
use shared::db::{self, Data, Ttl};
use shared::error::chain;
use shared::shutdown::Shutdown;
use shared::telemetry::ops::Ops;
use tokio::net::TcpListener;

use config::{Config, Stores};

/// What the tasks of a running site work with.
#[derive(Clone)]
pub struct Site {
    /// How it is configured.
    pub config: Config,
    /// Its buckets.
    pub stores: Stores,
    /// `data.db`.
    pub data: Data,
    /// `ttl.db`.
    pub ttl: Ttl,
}

/// A site that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A database cannot be opened.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// A bucket cannot be addressed.
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
}

impl Site {
    /// Opens the databases, which must be there and of this schema version.
    ///
    /// # Errors
    /// Why not.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let stores = Stores::new(&config)?;
        let (data, ttl) = (Data::open(&config.data_dir)?, Ttl::open(&config.data_dir)?);
        Ok(Self { config, stores, data, ttl })
    }
}

/// Runs the tasks when they are due, until `shutdown` or until the process
/// that started this one is gone.
///
/// # Errors
/// When the ops listener or the scheduler fails.
pub async fn serve(site: Site, ops: TcpListener, shutdown: Shutdown) -> Result<(), ServeError> {
    let mut told = Ops::default();
    let metrics = metrics::Metrics::register(told.registry());
    checks(&mut told, &site);
    let listener = tokio::spawn(told.serve(ops, shutdown.clone()));
    tokio::spawn(parent::watch(shutdown.clone()));
    tokio::spawn(sentinel::keep(site.stores.clone(), shutdown.clone()));
    schedule::run(&site, &metrics, &shutdown).await?;
    Ok(listener.await.map_err(std::io::Error::other)??)
}

/// Why cron ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The ops listener failed.
    #[error("the ops listener failed")]
    Ops(#[from] std::io::Error),
    /// The scheduler failed.
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
}

fn checks(ops: &mut Ops, site: &Site) {
    let data = site.data.clone();
    ops.check("database", move || {
        let data = data.clone();
        async move { data.ping().await.map_err(|error| chain(&error)) }
    });
    let bucket = site.stores.backup.clone();
    ops.check("store", move || {
        let bucket = bucket.clone();
        async move { bucket.ready().await.map_err(|error| chain(&error)) }
    });
}
