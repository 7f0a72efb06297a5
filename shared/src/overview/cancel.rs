//! Calling jobs off, wherever they are on their way.

use uuid::Uuid;

use super::{Error, Undone, absent, known};
use crate::bus::control::Control;
use crate::bus::waiting::Waiting;
use crate::bus::{self, Bus};
use crate::db::Data;
use crate::db::jobs::{self, Body, Cancelled, Detail, JobState, Only};
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

/// Calls off all jobs that are not over, `only` those; gives how many. What nobody has
/// begun is dead at once, whoever runs it, so that no worker has to come by it; what
/// runs is told to stop. Those that are ordered meanwhile are left.
///
/// # Errors
/// When the stores fail; what was called off before stays so.
pub async fn cancel_all(data: &Data, bus: &Bus, only: &Only) -> Result<usize, Error> {
    let newest = bus.newest_job().await?;
    let mut all = jobs::cancel_unsent(data, only).await?;
    for running in [false, true] {
        let mut from = Some(bus::waiting::Place::default());
        while let Some(place) = from.filter(|place| place.message <= newest) {
            let (page, next) = bus.waiting(only, running, place, PAGE).await?;
            all += match running {
                true => stop(data, bus, &page).await?,
                false => lay_down(data, bus, page).await?,
            };
            from = next;
        }
    }
    Ok(all)
}

/// What is no job is not called off: it is dead when somebody reads it.
async fn lay_down(data: &Data, bus: &Bus, waiting: Vec<Waiting>) -> Result<usize, Error> {
    let job = |it: &Waiting| Some((it.queue.clone(), it.job.clone()?));
    let (waiting, jobs): (Vec<_>, Vec<_>) =
        waiting.into_iter().filter_map(|it| job(&it).map(|job| (it, job))).unzip();
    let dead = jobs::cancel_stored(data, jobs).await?;
    for waiting in &waiting {
        bus.drop_dead(waiting).await;
    }
    Ok(dead.into_iter().filter(|dead| *dead).count())
}

async fn stop(data: &Data, bus: &Bus, running: &[Waiting]) -> Result<usize, Error> {
    let mut told = 0;
    for job in running.iter().filter_map(|it| it.job.as_ref()) {
        if jobs::cancel(data, job.id.to_string()).await? != Cancelled::Over {
            tell(bus, job.id).await;
            told += 1;
        }
    }
    Ok(told)
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
