//! Makes scheduled posts public.

use shared::db::posts;
use shared::jobs::posts::PublishPost;

use crate::registry::{Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry) -> Result<(), RegistryError> {
    registry.data::<PublishPost>(|tx, job| {
        let post = job.payload.post;
        if posts::publish_due(tx, post)? {
            tracing::info!(%post, "a scheduled post is public");
        }
        Ok(Outcome::Done)
    })
}
