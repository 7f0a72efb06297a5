//! Keeps what a compute worker could not read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::db::done;
use shared::jobs::compute::KeepPoison;

use crate::registry::{Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry) -> Result<(), RegistryError> {
    registry.data::<KeepPoison>(|tx, job| {
        let KeepPoison { message, queue, kind, body, reason } = &job.payload;
        match STANDARD.decode(body) {
            Ok(bytes) => {
                done::bury_poison(tx, message, (queue, kind), &bytes, reason)?;
                Ok(Outcome::Done)
            }
            Err(error) => Ok(Outcome::Discard(format!("its body is no base64: {error}"))),
        }
    })
}
