//! What can be done with one job, and why not.

use uuid::Uuid;

use super::{Error, find};
use crate::bus::Bus;
use crate::db::jobs::{self, JobState};
use crate::db::{self, Data};
use crate::queues::Queues;

/// Why nothing was done with a job.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// The text is no id of a job.
    #[error(
        "{0:?} is no id of a job; it takes a UUID, such as 0199c0de-1111-7000-8000-000000000000"
    )]
    NoId(String),
    /// There is no such job.
    #[error("there is no job {0}")]
    Unknown(String),
    /// It died, and was sent back already.
    #[error("the job {id} was sent back, and goes on as {now}")]
    Retried {
        /// The job that died.
        id: String,
        /// The job that it is now.
        now: Uuid,
    },
    /// Only a dead job can be sent back or forgotten.
    #[error("the job {id} is {state}; only a dead one can be sent back or discarded")]
    NotDead {
        /// The job.
        id: String,
        /// How far it is.
        state: JobState,
    },
    /// It can be cancelled no longer.
    #[error("the job {id} is over already")]
    Over {
        /// The job.
        id: String,
    },
    /// Its message is no job.
    #[error("the message {0} is no job, and can only be discarded")]
    NoJob(String),
    /// Another job holds its key.
    #[error(transparent)]
    KeyHeld(db::Error),
    /// It could not be looked at, or written.
    #[error(transparent)]
    Away(#[from] Error),
}

impl From<db::Error> for Undone {
    fn from(error: db::Error) -> Self {
        Self::Away(error.into())
    }
}

/// Sends a dead job back to its queue; gives the id that it has now.
///
/// # Errors
/// When it is not dead, its bytes are no job, another job holds its key, or the
/// stores fail.
pub async fn retry(data: &Data, bus: &Bus, id: &str) -> Result<Uuid, Undone> {
    match jobs::replay(data, id.to_owned()).await {
        Ok(Some(now)) => Ok(now),
        Ok(None) => Err(why_not_dead(data, bus, id).await),
        Err(db::Error::Corrupt { .. }) => Err(Undone::NoJob(id.to_owned())),
        Err(held @ db::Error::KeyHeld { .. }) => Err(Undone::KeyHeld(held)),
        Err(error) => Err(error.into()),
    }
}

/// Forgets a dead job.
///
/// # Errors
/// When it is not dead, or the stores fail.
pub async fn discard(data: &Data, bus: &Bus, id: &str) -> Result<(), Undone> {
    match jobs::discard(data, id.to_owned()).await? {
        true => Ok(()),
        false => Err(why_not_dead(data, bus, id).await),
    }
}

async fn why_not_dead(data: &Data, bus: &Bus, id: &str) -> Undone {
    match find(data, bus, &Queues::default(), id).await {
        Ok(Some(found)) => Undone::NotDead { id: id.to_owned(), state: found.job.state },
        Ok(None) => absent(data, id).await,
        Err(error) => error.into(),
    }
}

/// Why a job is nowhere: it went on under another id, or there never was one.
pub async fn absent(data: &Data, id: &str) -> Undone {
    match jobs::retried(data, id.to_owned()).await {
        Ok(Some(retried)) => Undone::Retried { id: retried.id, now: retried.retried_as },
        Ok(None) if id.parse::<Uuid>().is_err() => Undone::NoId(id.to_owned()),
        Ok(None) => Undone::Unknown(id.to_owned()),
        Err(error) => error.into(),
    }
}
