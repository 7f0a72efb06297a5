//! The executor of every kind of job; their payloads are in `shared::jobs`.

pub mod blogroll;
pub mod comments;
pub mod compute;
pub mod gateway;
pub mod images;
pub mod mail;
pub mod posts;
pub mod rules;
mod settle;
pub mod views;

use shared::blobs::Bucket;
use shared::config::Moderation;
use shared::db::{Data, Ttl};
use url::Url;

use crate::gateway::schedule::Live as Sources;
use crate::mail::Mailer;
use crate::registry::{Registry, RegistryError};
use crate::runner::Live;

/// What the executors of a role with the database work with.
pub struct DataParts {
    /// The site.
    pub data: Data,
    /// What is to be forgotten.
    pub ttl: Ttl,
    /// The way out for mail.
    pub mailer: Mailer,
    /// The site's address.
    pub site_url: Url,
    /// Which comments wait for the admin.
    pub moderation: Moderation,
}

/// The buckets that compute jobs read and write.
#[derive(Clone)]
pub struct Buckets {
    /// Originals.
    pub private: Bucket,
    /// Variants.
    pub public: Bucket,
}

/// Every executor of a role: those for which it has the parts.
///
/// # Errors
/// When two take the same kind, one takes a kind that nobody could order, or the
/// queues' file lacks a queue of one.
pub fn registry(
    queues: &Live,
    data: Option<(DataParts, Sources)>,
    buckets: Option<Buckets>,
) -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    if let Some((parts, sources)) = data {
        gateway::register(&mut registry, parts.data.clone(), sources)?;
        blogroll::register(&mut registry)?;
        register_data(&mut registry, parts, queues.clone())?;
    }
    if let Some(buckets) = buckets {
        images::register_compute(&mut registry, buckets)?;
    }
    registry.declared()?;
    registry.check(&queues.borrow())?;
    Ok(registry)
}

fn register_data(
    registry: &mut Registry,
    parts: DataParts,
    queues: Live,
) -> Result<(), RegistryError> {
    comments::register(registry, parts.moderation)?;
    views::register(registry)?;
    posts::register(registry)?;
    images::register_results(registry, queues.clone())?;
    compute::register(registry, queues)?;
    mail::register(registry, parts)
}
