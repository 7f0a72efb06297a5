//! One job, wherever it is on its way.

use uuid::Uuid;

use super::Error;
use super::list::{of_scheduled, of_waiting};
use crate::bus::Bus;
use crate::db::jobs::{self, Detail, JobState};
use crate::db::{self, Data, outbox};
use crate::envelope::Envelope;
use crate::queues::Queues;
use crate::time::Instant;

/// The job `id`, when the database knows it: it is over, or has not been sent.
/// `file` tells how often it is tried.
///
/// # Errors
/// When the database fails.
pub async fn known(data: &Data, file: &Queues, id: &str) -> Result<Option<Detail>, db::Error> {
    if let Some(over) = jobs::detail(data, id.to_owned()).await? {
        return Ok(Some(limited(over, file)));
    }
    let Some(row) = outbox::find_job(data, id.to_owned()).await? else { return Ok(None) };
    let is_due = row.due <= Instant::now();
    let state = if is_due { JobState::Queued } else { JobState::Scheduled };
    match of_scheduled(&row, state) {
        Some(job) => Ok(Some(limited(jobs::ahead(data, job, row.body).await?, file))),
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
pub async fn find(
    data: &Data,
    bus: &Bus,
    file: &Queues,
    id: &str,
) -> Result<Option<Detail>, Error> {
    if let Some(known) = known(data, file, id).await? {
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
            let detail = jobs::ahead(data, of_waiting(found), body).await?;
            Ok(Some(limited(detail, file)))
        }
        None => Ok(known(data, file, id).await?),
    }
}

fn limited(detail: Detail, file: &Queues) -> Detail {
    let queue = file.queues.get(&detail.job.queue);
    let max_attempts = queue.and_then(|queue| u32::try_from(queue.attempts).ok());
    Detail { max_attempts, ..detail }
}
