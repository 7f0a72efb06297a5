//! Lists of jobs, a page at a time.

use super::{Cursor, Error};
use crate::bus::Bus;
use crate::bus::waiting::{Place, Waiting};
use crate::db::jobs::{self, JobState, Listed, Which};
use crate::db::outbox::{self, Scheduled};
use crate::db::{Data, Page};
use crate::envelope::Envelope;
use crate::subject::JobAddress;
use crate::time::Instant;

/// Which jobs a list holds.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Only this queue.
    pub queue: Option<String>,
    /// Only this state.
    pub state: Option<JobState>,
    /// The cursor of the page before; it [fits](Cursor::fits) the state.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// One page: jobs that are over newest first, those that are not in the order in
/// which they are run; of all states first those that run, then those that wait.
/// A page of what NATS holds may be short, even empty, and have a next one.
///
/// # Errors
/// When the database fails, or NATS, where it is asked.
pub async fn list(data: &Data, bus: &Bus, asked: Asked) -> Result<Page<Listed>, Error> {
    let Asked { queue, state, after, limit } = asked;
    let mut at = after.unwrap_or_else(|| Cursor::first(state));
    let mut items = Vec::new();
    loop {
        let room = limit - items.len();
        if room == 0 {
            return Ok(Page { items, next: Some(at.to_string()) });
        }
        let following = if state.is_none() { at.following() } else { None };
        let (found, next) = section(data, bus, (queue.clone(), state), at, room).await?;
        items.extend(found);
        match (next, following) {
            (Some(next), _) => return Ok(Page { items, next: Some(next.to_string()) }),
            (None, Some(begin)) => at = begin,
            (None, None) => return Ok(Page { items, next: None }),
        }
    }
}

/// Jobs from `at` on, all of the part of the list where that is.
async fn section(
    data: &Data,
    bus: &Bus,
    (queue, state): (Option<String>, Option<JobState>),
    at: Cursor,
    limit: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    match at {
        Cursor::Running(from) => in_stream(bus, queue, (true, from), limit).await,
        Cursor::Queued(from) => in_stream(bus, queue, (false, from), limit).await,
        Cursor::Scheduled(due, seq) => scheduled(data, queue, (due, seq), limit).await,
        Cursor::Over(at, id) => {
            let which = match state {
                Some(JobState::Done) => Which::Done,
                Some(JobState::Dead) => Which::Dead,
                _ => Which::Both,
            };
            let after = Some(format!("{at}_{id}"));
            let page = jobs::list(data, which, queue, after, limit).await?;
            Ok((page.items, page.next.and_then(|next| next.parse().ok())))
        }
    }
}

async fn in_stream(
    bus: &Bus,
    queue: Option<String>,
    (running, from): (bool, Place),
    limit: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    let (waiting, next) = bus.waiting(queue.as_deref(), running, from, limit).await?;
    let next = next.map(if running { Cursor::Running } else { Cursor::Queued });
    Ok((waiting.into_iter().map(of_waiting).collect(), next))
}

async fn scheduled(
    data: &Data,
    queue: Option<String>,
    after: (i64, i64),
    limit: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    let rows = outbox::scheduled(data, queue, after, limit + 1).await?;
    let more = rows.len() > limit;
    let last = rows.get(limit - 1).map(|row| Cursor::Scheduled(row.due.millis(), row.seq));
    let listed = rows.into_iter().take(limit);
    let listed = listed.filter_map(|row| of_scheduled(row, JobState::Scheduled)).collect();
    Ok((listed, last.filter(|_| more)))
}

pub(super) fn of_scheduled(row: Scheduled, state: JobState) -> Option<Listed> {
    let address = JobAddress::parse(&row.subject)?;
    let job = serde_json::from_slice(&row.body).ok();
    Some(listed(address.queue, address.kind, job.as_ref(), (state, row.due)))
}

pub(super) fn of_waiting(waiting: Waiting) -> Listed {
    let state = if waiting.running { JobState::Running } else { JobState::Queued };
    let Waiting { queue, kind, job, stored, .. } = waiting;
    listed(&queue, &kind, job.as_ref(), (state, stored))
}

/// A job that is not over. What is no job has no id yet.
fn listed(
    queue: &str,
    kind: &str,
    job: Option<&Envelope>,
    (state, at): (JobState, Instant),
) -> Listed {
    let told = |read: fn(&Envelope) -> uuid::Uuid| {
        job.map_or_else(String::new, |job| read(job).to_string())
    };
    Listed {
        id: told(|job| job.id),
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        state,
        cause: told(|job| job.cause),
        attempt: job.map_or(1, |job| job.attempt),
        at,
        reason: None,
    }
}
