//! Counts packs of page views.

use shared::db::views;
use shared::jobs::views::CountViews;

use crate::registry::{Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry) -> Result<(), RegistryError> {
    registry.data::<CountViews>(|tx, job| {
        views::count(tx, &job.payload.hits, job.id)?;
        Ok(Outcome::Done)
    })
}
