//! Which queues there are to be asked about.

use std::collections::BTreeSet;

use super::Error;
use crate::bus::Bus;
use crate::db::{Data, jobs};
use crate::queues::{self, Queues};

/// Why a queue cannot be asked about.
#[derive(Debug, thiserror::Error)]
pub enum QueueFault {
    /// There is none of that name; the text names those that there are.
    #[error("{0}")]
    Unknown(String),
    /// It could not be looked for.
    #[error(transparent)]
    Away(#[from] Error),
}

/// Checks that there is something to be seen of the queue `name`: the file has it,
/// or the database or NATS holds jobs of it.
///
/// # Errors
/// When there is not, or it cannot be known.
pub async fn known_queue(
    data: &Data,
    bus: &Bus,
    file: &Queues,
    name: &str,
) -> Result<(), QueueFault> {
    if file.queues.contains_key(name)
        || jobs::has_any(data, name.to_owned()).await.map_err(Error::from)?
    {
        return Ok(());
    }
    let held = bus.jobs_by_queue().await.map_err(Error::from)?;
    if held.contains_key(name) {
        return Ok(());
    }
    let mut names: BTreeSet<&str> = file.queues.keys().map(String::as_str).collect();
    names.extend(held.keys().map(String::as_str));
    Err(QueueFault::Unknown(queues::unknown(name, names.into_iter())))
}
