//! Lists of jobs, a page at a time.

use std::collections::HashSet;

use super::{Cursor, Error};
use crate::bus::Bus;
use crate::bus::waiting::{Place, Waiting};
use crate::db::jobs::{self, JobState, Listed, Only, Which};
use crate::db::outbox::{self, Scheduled};
use crate::db::{Data, Page};
use crate::envelope::Envelope;
use crate::subject::JobAddress;
use crate::time::Instant;

/// Which jobs a list holds.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Only these.
    pub only: Only,
    /// Only this state.
    pub state: Option<JobState>,
    /// The cursor of the page before; it [fits](Cursor::fits) the state.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// One page: jobs that are over newest first, those that are not in the order in
/// which they are run, but those that are not sent yet before those that are; of all
/// states first those that run, then those that wait. A page of what NATS holds may
/// be short, even empty, and have a next one. A job that goes on meanwhile may be on
/// two pages.
///
/// # Errors
/// When the database fails, or NATS, where it is asked and nothing was found before.
pub async fn list(data: &Data, bus: &Bus, asked: Asked) -> Result<Page<Listed>, Error> {
    let Asked { only, state, after, limit } = asked;
    let mut at = after.unwrap_or_else(|| Cursor::first(state));
    let mut items: Vec<Listed> = Vec::new();
    loop {
        let room = limit - items.len();
        if room == 0 {
            return Ok(Page { items, next: Some(at.to_string()) });
        }
        let following = at.following(state);
        let (found, next) = match section(data, bus, (&only, state), at.clone(), room).await {
            Err(Error::Nats(_)) if !items.is_empty() => (Vec::new(), Some(at)),
            found => found?,
        };
        // What was sent just now is both in the outbox and in the stream.
        let known: HashSet<String> = items.iter().map(|job| job.id.clone()).collect();
        items.extend(found.into_iter().filter(|job| job.id.is_empty() || !known.contains(&job.id)));
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
    (only, state): (&Only, Option<JobState>),
    at: Cursor,
    limit: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    match at {
        Cursor::Running(from) => in_stream(bus, only, (true, from), limit).await,
        Cursor::Queued(from) => in_stream(bus, only, (false, from), limit).await,
        Cursor::Unsent(seq) => {
            let rows = outbox::unsent_jobs(data, only.clone(), seq, limit + 1).await?;
            let place = |row: &Scheduled| Cursor::Unsent(row.seq);
            Ok(in_outbox(rows, JobState::Queued, limit, place))
        }
        Cursor::Scheduled(due, seq) => {
            let rows = outbox::scheduled(data, only.clone(), (due, seq), limit + 1).await?;
            let place = |row: &Scheduled| Cursor::Scheduled(row.due.millis(), row.seq);
            Ok(in_outbox(rows, JobState::Scheduled, limit, place))
        }
        Cursor::Over(at, id) => {
            let which = match state {
                Some(JobState::Done) => Which::Done,
                Some(JobState::Dead) => Which::Dead,
                _ => Which::Both,
            };
            let after = Some(format!("{at}_{id}"));
            let page = jobs::list(data, which, only.clone(), after, limit).await?;
            Ok((page.items, page.next.and_then(|next| next.parse().ok())))
        }
    }
}

async fn in_stream(
    bus: &Bus,
    only: &Only,
    (running, from): (bool, Place),
    limit: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    let (waiting, next) = bus.waiting(only, running, from, limit).await?;
    let next = next.map(if running { Cursor::Running } else { Cursor::Queued });
    Ok((waiting.into_iter().map(of_waiting).collect(), next))
}

/// The first `limit` of `rows`, and the place of the last one when there are more.
fn in_outbox(
    rows: Vec<Scheduled>,
    state: JobState,
    limit: usize,
    place: impl Fn(&Scheduled) -> Cursor,
) -> (Vec<Listed>, Option<Cursor>) {
    let more = rows.len() > limit;
    let last = rows.get(limit - 1).map(place);
    let listed = rows.into_iter().take(limit).filter_map(|row| of_scheduled(&row, state));
    (listed.collect(), last.filter(|_| more))
}

pub(super) fn of_scheduled(row: &Scheduled, state: JobState) -> Option<Listed> {
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
        snoozes: job.map_or(0, |job| job.snoozes),
        made: job.map_or(at, |job| job.time),
        run_at: (state == JobState::Scheduled).then_some(at),
        finished: None,
        at,
        reason: None,
    }
}
