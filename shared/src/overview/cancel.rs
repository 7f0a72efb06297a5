//! Calling jobs off, wherever they are on their way.

use uuid::Uuid;

use super::{Error, Undone, absent, known};
use crate::bus::control::Control;
use crate::bus::waiting::Waiting;
use crate::bus::{self, Bus};
use crate::db::jobs::{self, Body, Cancelled, Detail, JobState, Only};
use crate::db::{Data, outbox};
use crate::envelope::Envelope;
use crate::queues::{Queues, Role};

/// Jobs that are looked at together when many are called off.
const PAGE: usize = 200;

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
    if call_off(data, bus, file, (job, &place)).await? { Ok(()) } else { Err(over()) }
}

/// Calls off all jobs that are not over, `only` those; gives how many. Those that
/// are ordered meanwhile may be among them.
///
/// # Errors
/// When the stores fail; what was called off before stays so.
pub async fn cancel_all(
    data: &Data,
    bus: &Bus,
    file: &Queues,
    only: &Only,
) -> Result<usize, Error> {
    let mut all = jobs::cancel_scheduled(data, only.clone()).await?;
    all += cancel_unsent(data, only).await?;
    for running in [false, true] {
        let mut from = Some(bus::waiting::Place::default());
        while let Some(place) = from {
            let (waiting, next) = bus.waiting(only, running, place, PAGE).await?;
            for waiting in waiting {
                // What is no job is not called off: it is dead when somebody reads it.
                let Some(job) = waiting.job.as_ref().map(|job| job.id) else { continue };
                let place = Place::Stream(waiting);
                all += usize::from(call_off(data, bus, file, (job, &place)).await?);
            }
            from = next;
        }
    }
    Ok(all)
}

/// Those that are due and on their way to the stream.
async fn cancel_unsent(data: &Data, only: &Only) -> Result<usize, Error> {
    let (mut all, mut after) = (0, 0);
    loop {
        let page = outbox::unsent_jobs(data, only.clone(), after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.seq;
        for row in &page {
            let Ok(job) = serde_json::from_slice::<Envelope>(&row.body) else { continue };
            let cancelled = jobs::cancel(data, job.id.to_string()).await?;
            all += usize::from(cancelled != Cancelled::Over);
        }
    }
}

/// False when the job is over.
async fn call_off(
    data: &Data,
    bus: &Bus,
    file: &Queues,
    (job, place): (Uuid, &Place),
) -> Result<bool, Error> {
    let cancelled = match place.waits_for_a_program(file) {
        Some((queue, envelope)) => jobs::cancel_waiting(data, queue, envelope).await?,
        None => jobs::cancel(data, job.to_string()).await?,
    };
    if cancelled == Cancelled::Over {
        return Ok(false);
    }
    tell(bus, job).await;
    if let (Cancelled::Now, Place::Stream(waiting)) = (cancelled, place) {
        bus.drop_dead(waiting).await;
    }
    Ok(true)
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
