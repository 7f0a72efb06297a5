//! Calling a job off, wherever it is on its way.

use uuid::Uuid;

use super::{Error, Undone, absent, known};
use crate::bus::Bus;
use crate::bus::control::Control;
use crate::bus::waiting::Waiting;
use crate::db::Data;
use crate::db::jobs::{self, Body, Cancelled, Detail, JobState};
use crate::envelope::Envelope;
use crate::queues::{Queues, Role};

/// Where a job was found.
enum Place {
    /// The database knows it.
    Known(Detail),
    /// It is in the stream.
    Stream(Waiting),
}

/// Has a job not run, or cuts it off: it is dead then, and can be sent back. One
/// of an external queue that waits is dead at once: its program cannot ask the
/// database whether it is to run, so it is not left to it.
///
/// # Errors
/// When there is no such job, it is over, or the stores fail; of a job that the
/// database does not know, also when NATS holds more than can be looked through.
pub async fn cancel(data: &Data, bus: &Bus, file: &Queues, id: &str) -> Result<(), Undone> {
    let over = || Undone::Over { id: id.to_owned() };
    let Ok(job) = id.parse::<Uuid>() else {
        // A message that is no job has another kind of id.
        return Err(known(data, file, id)
            .await?
            .map_or_else(|| Undone::NoId(id.to_owned()), |_| over()));
    };
    let Some(place) = find(data, bus, file, job).await? else {
        return Err(absent(data, id).await);
    };
    let cancelled = match place.waits_for_a_program(file) {
        Some((queue, envelope)) => jobs::cancel_waiting(data, queue, envelope).await?,
        None => jobs::cancel(data, id.to_owned()).await?,
    };
    if cancelled == Cancelled::Over {
        return Err(over());
    }
    tell(bus, job).await;
    if let (Cancelled::Now, Place::Stream(waiting)) = (cancelled, &place) {
        bus.drop_dead(waiting).await;
    }
    Ok(())
}

async fn find(data: &Data, bus: &Bus, file: &Queues, job: Uuid) -> Result<Option<Place>, Error> {
    let id = job.to_string();
    let here = known(data, file, &id).await?;
    if here.as_ref().is_some_and(|it| !may_be_with_a_program(it, file)) {
        return Ok(here.map(Place::Known));
    }
    match (bus.find_job(job).await, here) {
        (Ok(Some(waiting)), _) => Ok(Some(Place::Stream(waiting))),
        // It may have gone on meanwhile.
        (Ok(None), _) => Ok(known(data, file, &id).await?.map(Place::Known)),
        // What the database knows is enough.
        (Err(_), Some(here)) => Ok(Some(Place::Known(here))),
        (Err(error), None) => Err(error.into()),
    }
}

/// An external job that is due is in the stream a little before the database knows.
fn may_be_with_a_program(known: &Detail, file: &Queues) -> bool {
    known.job.state == JobState::Queued && is_external(file, &known.job.queue)
}

fn is_external(file: &Queues, queue: &str) -> bool {
    file.queues.get(queue).is_some_and(|queue| queue.role == Role::External)
}

/// Without it the job is stopped when a worker comes to it.
async fn tell(bus: &Bus, job: Uuid) {
    if let Err(error) = bus.control(&Control::Cancel { job }).await {
        tracing::warn!(%error, %job, "the workers were not told of a cancelled job");
    }
}

impl Place {
    /// The queue and the job, when it is an external one that nobody has begun.
    fn waits_for_a_program(&self, file: &Queues) -> Option<(String, Envelope)> {
        let (queue, job) = match self {
            Self::Known(detail) if !detail.job.state.is_over() => {
                let Some(Body::Text(body)) = &detail.message else { return None };
                (&detail.job.queue, serde_json::from_str(body).ok()?)
            }
            Self::Stream(waiting) if !waiting.running => (&waiting.queue, waiting.job.clone()?),
            Self::Known(_) | Self::Stream(_) => return None,
        };
        is_external(file, queue).then(|| (queue.clone(), job))
    }
}
