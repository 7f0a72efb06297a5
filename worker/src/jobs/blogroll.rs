//! Shows what the feeds of other sites hold.

use shared::db::blogroll;
use shared::jobs::blogroll::FeedChanged;

use crate::registry::{Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry) -> Result<(), RegistryError> {
    registry.data::<FeedChanged>(|tx, job| {
        blogroll::replace(tx, &job.payload, job.id)?;
        Ok(Outcome::Done)
    })
}
