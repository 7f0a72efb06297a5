//! One job, wherever it is on its way.

use uuid::Uuid;

use super::Error;
use super::list::{of_scheduled, of_waiting};
use crate::bus::Bus;
use crate::db::jobs::{self, Detail, JobState, Listed};
use crate::db::{self, Data, outbox};
use crate::envelope::Envelope;
use crate::time::Instant;

/// The job `id`, when the database knows it: it is over, or has not been sent.
///
/// # Errors
/// When the database fails.
pub async fn known(data: &Data, id: &str) -> Result<Option<Detail>, db::Error> {
    if let Some(over) = jobs::detail(data, id.to_owned()).await? {
        return Ok(Some(over));
    }
    let Some(row) = outbox::find_job(data, id.to_owned()).await? else { return Ok(None) };
    let is_due = row.due <= Instant::now();
    let state = if is_due { JobState::Queued } else { JobState::Scheduled };
    let body = String::from_utf8_lossy(&row.body).into_owned();
    match of_scheduled(row, state) {
        Some(job) => Ok(Some(ahead(data, job, body).await?)),
        None => Ok(None),
    }
}

/// The job `id`, where it is: over, in the outbox, or in the stream. It is looked
/// for along its way, and once more at the end: it may go on meanwhile.
///
/// # Errors
/// When the database fails; and, of a job that it does not know, when NATS is away
/// or holds more than can be looked through. That the job is not there is said of
/// none that may be.
pub async fn find(data: &Data, bus: &Bus, id: &str) -> Result<Option<Detail>, Error> {
    if let Some(known) = known(data, id).await? {
        return Ok(Some(known));
    }
    // What is no job has another kind of id, which only a dead one is known by. One
    // that was sent back is nowhere: the stores hold what it is now.
    let Ok(job) = id.parse::<Uuid>() else { return Ok(None) };
    if jobs::retried(data, id.to_owned()).await?.is_some() {
        return Ok(None);
    }
    match bus.find_job(job).await? {
        Some(found) => {
            let body = found.job.as_ref().map(Envelope::to_json).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Some(ahead(data, of_waiting(found), body).await?))
        }
        None => Ok(known(data, id).await?),
    }
}

/// A job that is not over may have failed before.
async fn ahead(data: &Data, job: Listed, body: String) -> Result<Detail, db::Error> {
    let errors = jobs::errors_of(data, job.id.clone()).await?;
    Ok(Detail { job, errors, body: Some(body), result: None })
}
