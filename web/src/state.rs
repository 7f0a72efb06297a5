//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::HeaderMap;
use shared::blobs::{self, Bucket, Store};
use shared::bus::Bus;
use shared::db::{self, Data, Ttl, ttl};

use crate::auth::desk::{Desk, Records};
use crate::auth::proof::Register;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hits::Packer;
use crate::hits::limit::HitLimit;
use crate::hub::{Hub, Live};
use crate::metrics::Metrics;
use crate::queues_file::QueuesFile;
use crate::visitor::{self, Peer, Salts};

/// Handle to what every handler can reach; a clone is one more reference.
#[derive(Clone)]
pub struct AppState(Arc<Site>);

/// The parts of the site that this process holds.
pub struct Site {
    /// What it was told.
    pub config: Config,
    /// `data.db`.
    pub data: Data,
    /// `ttl.db`.
    pub ttl: Ttl,
    /// NATS.
    pub bus: Bus,
    /// Variants of images.
    pub public: Bucket,
    /// Originals.
    pub private: Bucket,
    /// Live updates.
    pub hub: Hub,
    /// Who asks.
    pub register: Register,
    /// What those who watch need.
    pub live: Live,
    /// Page views on their way in.
    pub packer: Packer,
    /// How many page views each household sent.
    pub hit_limit: HitLimit,
    /// Salts of visitors' hashes.
    pub salts: Salts,
    /// What is measured of requests.
    pub metrics: Metrics,
    /// The file of queues.
    pub queues: QueuesFile,
}

/// A counter of what one visitor does.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name in `ttl.db`.
    pub name: &'static str,
    /// How often in a window.
    pub times: u32,
    /// The window.
    pub window: Duration,
}

impl Deref for AppState {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0
    }
}

impl FromRef<AppState> for Live {
    fn from_ref(state: &AppState) -> Self {
        state.live.clone()
    }
}

impl AppState {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the buckets have no address.
    pub fn new(
        config: Config,
        (data, ttl): (Data, Ttl),
        bus: Bus,
        (hub, packer): (Hub, Packer),
        metrics: Metrics,
    ) -> std::result::Result<Self, blobs::Error> {
        let store = Store::new(&config.store.s3);
        let public = store.bucket(&config.store.public)?;
        let private = store.bucket(&config.store.private)?;
        let salts = Salts::new(ttl.clone());
        let hit_limit = HitLimit::default();
        let register = Register::new(data.clone(), ttl.clone(), config.is_https());
        let queues = QueuesFile::new(config.queues_file.clone(), config.data_dir.clone());
        let desk = Desk::Here(Records { register: register.clone(), queues: queues.clone() });
        let (trusted, rules) = (config.trusted_proxies.clone(), config.rules.clone());
        let live = Live::new((hub.clone(), desk), trusted, config.connections, rules);
        let site = Site {
            config,
            data,
            ttl,
            bus,
            public,
            private,
            hub,
            register,
            live,
            packer,
            hit_limit,
            salts,
            metrics,
            queues,
        };
        Ok(Self(Arc::new(site)))
    }
}

impl Site {
    /// The visitor's salted hash: 32 hexadecimal digits, another one each day.
    ///
    /// # Errors
    /// When the salt of the day cannot be read.
    pub async fn visitor(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> std::result::Result<String, db::Error> {
        let address = visitor::client_address(headers, *peer, &self.config.trusted_proxies);
        Ok(visitor::visitor_hash(&self.salts.today().await?, address, headers))
    }

    /// What the visitor's limits and retry keys are counted by.
    ///
    /// # Errors
    /// As [`Site::visitor`].
    pub async fn household(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> std::result::Result<String, db::Error> {
        let address = visitor::client_address(headers, *peer, &self.config.trusted_proxies);
        Ok(visitor::limit_hash(&self.salts.today().await?, address))
    }

    /// Counts one more of what `who` does.
    ///
    /// # Errors
    /// [`Error::TooMany`] when it was enough for now.
    pub async fn take(&self, limit: Limit, who: &str) -> Result<()> {
        let key = format!("{}:{who}", limit.name);
        let taken = ttl::take(&self.ttl, key, limit.times, limit.window).await?;
        taken.map_err(|wait| Error::TooMany { wait })
    }
}
