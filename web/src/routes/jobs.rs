//! Jobs: waiting, running, done and dead.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::bus::control::Control;
use shared::bus::queues::Waiting;
use shared::db::jobs::{self as job_rows, Cancelled};
use shared::db::{self, outbox};
use shared::envelope::Envelope;
use shared::subject::JobAddress;
use shared::time::Instant;
use uuid::Uuid;

use super::{job, queues};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{self, Path, Query, limit};
use crate::state::AppState;

/// Jobs of one page of the list.
const PAGE: usize = 50;
/// Dead jobs that are sent back at once; more need another call.
const BULK: usize = 1000;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits.
    Queued,
    /// A worker has it.
    Running,
    /// Its time has not come.
    Scheduled,
    /// It is done.
    Done,
    /// It gave up.
    Dead,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Scheduled, Self::Done, Self::Dead];

    /// The word used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Scheduled => "scheduled",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// A job in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// How far it is.
    pub state: &'static str,
    /// The id of what led to it.
    pub cause: String,
    /// The attempt that is next, under way, or was last.
    pub attempt: u32,
    /// When it was made, waits for, or ended.
    pub at: Instant,
    /// Why it died.
    pub reason: Option<String>,
}

impl From<job_rows::Ended> for Listed {
    fn from(job: job_rows::Ended) -> Self {
        let job_rows::Ended { id, queue, kind, state, cause, attempt, at, reason } = job;
        Self { id, queue, kind, state, cause, attempt, at, reason }
    }
}

impl Listed {
    pub(super) fn of_message(
        queue: &str,
        kind: &str,
        job: Option<Envelope>,
        state: JobState,
        at: Instant,
    ) -> Self {
        let (id, cause, attempt) = job.map_or_else(
            || (String::new(), String::new(), 1),
            |job| (job.id.to_string(), job.cause.to_string(), job.attempt),
        );
        Self {
            id,
            queue: queue.to_owned(),
            kind: kind.to_owned(),
            state: state.as_str(),
            cause,
            attempt,
            at,
            reason: None,
        }
    }
}

/// Which jobs a list holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    /// Only this queue.
    pub queue: Option<String>,
    /// Only this state.
    pub state: Option<JobState>,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// One page of the list; of all states those that are ahead come first.
///
/// # Errors
/// When a queue is unknown, or the database or NATS fails.
pub async fn page(state: &AppState, asked: Asked) -> Result<(Vec<Listed>, Option<String>)> {
    let limit = limit(asked.limit, PAGE)?;
    let queue = asked.queue.filter(|queue| !queue.is_empty());
    if let Some(queue) = &queue
        && !queues::read(state).await?.queues.contains_key(queue)
    {
        return Err(Error::NotFound("queue"));
    }
    let after = extract::after_job(asked.after)?;
    match asked.state {
        Some(JobState::Scheduled) => Ok((scheduled(state, queue, limit).await?, None)),
        Some(JobState::Queued) => Ok((in_stream(state, queue, false, limit).await?, None)),
        Some(JobState::Running) => Ok((in_stream(state, queue, true, limit).await?, None)),
        Some(JobState::Done) => over(state, job_rows::Which::Done, queue, after, limit).await,
        Some(JobState::Dead) => over(state, job_rows::Which::Dead, queue, after, limit).await,
        None => {
            let mut all = Vec::new();
            if after.is_none() {
                all = in_stream(state, queue.clone(), true, limit).await?;
                all.extend(in_stream(state, queue.clone(), false, limit).await?);
                all.extend(scheduled(state, queue.clone(), limit).await?);
            }
            let (ended, next) = over(state, job_rows::Which::Both, queue, after, limit).await?;
            all.extend(ended);
            Ok((all, next))
        }
    }
}

async fn over(
    state: &AppState,
    which: job_rows::Which,
    queue: Option<String>,
    after: Option<String>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<String>)> {
    let page = job_rows::list(&state.data, which, queue, after, limit).await?;
    Ok((page.items.into_iter().map(Listed::from).collect(), page.next))
}

async fn scheduled(state: &AppState, queue: Option<String>, limit: usize) -> Result<Vec<Listed>> {
    let rows = outbox::scheduled(&state.data, queue, limit).await?;
    let listed = rows.into_iter().filter_map(|row| {
        let address = JobAddress::parse(&row.subject)?;
        let job = serde_json::from_slice(&row.body).ok();
        Some(Listed::of_message(address.queue, address.kind, job, JobState::Scheduled, row.due))
    });
    Ok(listed.collect())
}

async fn in_stream(
    state: &AppState,
    queue: Option<String>,
    running: bool,
    limit: usize,
) -> Result<Vec<Listed>> {
    let names = match queue {
        Some(queue) => vec![queue],
        None => queues::read(state).await?.queues.into_keys().collect(),
    };
    let mut listed = Vec::new();
    for name in names {
        let waiting = state.bus.waiting(&name, running, 1, limit).await;
        let (waiting, _) = waiting.map_err(|error| Error::unavailable(error.to_string()))?;
        listed.extend(waiting.into_iter().map(of_waiting));
    }
    listed.sort_by_key(|job| std::cmp::Reverse(job.at));
    listed.truncate(limit);
    Ok(listed)
}

pub(super) fn of_waiting(job: Waiting) -> Listed {
    let state = if job.running { JobState::Running } else { JobState::Queued };
    Listed::of_message(&job.queue, &job.kind, job.job, state, job.stored)
}

/// `GET /api/v1/jobs`.
///
/// # Errors
/// As [`page`].
pub async fn list(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let (items, next) = page(&state, asked).await?;
    Ok(JsonBody(json!({"items": items, "next": next})).into_response())
}

/// `POST /api/v1/jobs/{id}/retry`: sends a dead job back to its queue.
///
/// # Errors
/// When no dead job has the id.
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    let now = replay(&state, id).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"id": now}))).into_response())
}

/// Sends a dead job back; gives the id it has now.
///
/// # Errors
/// When no dead job has the id, or its bytes are no job.
pub async fn replay(state: &AppState, id: String) -> Result<String> {
    match job_rows::replay(&state.data, id).await {
        Ok(Some(now)) => Ok(now.to_string()),
        Ok(None) => Err(Error::NotFound("dead job")),
        Err(db::Error::Corrupt { .. }) => {
            Err(Error::Conflict("the message is no job, and can only be discarded".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /api/v1/jobs/{id}/discard`: forgets a dead job.
///
/// # Errors
/// When no dead job has the id.
pub async fn discard(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    match job_rows::discard(&state.data, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::NotFound("dead job")),
    }
}

/// `POST /api/v1/jobs/{id}/cancel`: has a job not run, or cuts it off.
///
/// # Errors
/// When there is no such job, or it is over.
pub async fn cancel(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    call_off(&state, &id).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"id": id}))).into_response())
}

/// Has a job not run: it is dead then, and can be sent back.
///
/// # Errors
/// As [`cancel`].
pub async fn call_off(state: &AppState, id: &str) -> Result<()> {
    let job: Uuid =
        job::find(state, id).await?.job.id.parse().map_err(|_| Error::NotFound("job"))?;
    match job_rows::cancel(&state.data, id.to_owned()).await? {
        Cancelled::Over => Err(Error::Conflict("the job is over already".to_owned())),
        Cancelled::Now => Ok(()),
        Cancelled::Told => {
            // Without it the job is stopped when a worker comes to it.
            if let Err(error) = state.bus.control(&Control::Cancel { job }).await {
                tracing::warn!(%error, %job, "the workers were not told of a cancelled job");
            }
            Ok(())
        }
    }
}

/// `POST /api/v1/jobs/retry?queue=&state=dead`: sends dead jobs back.
///
/// # Errors
/// When another state is named, or the database fails.
pub async fn retry_all(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let body = replay_all(&state, asked).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(body)).into_response())
}

/// Sends up to a thousand dead jobs back; gives how many went and how many
/// cannot.
///
/// # Errors
/// As [`retry_all`].
pub async fn replay_all(state: &AppState, asked: Asked) -> Result<Value> {
    if asked.state.is_some_and(|state| state != JobState::Dead) {
        return Err(Error::bad_request("only dead jobs can be retried: state takes dead"));
    }
    let queue = asked.queue.filter(|queue| !queue.is_empty());
    let page = job_rows::list(&state.data, job_rows::Which::Dead, queue, None, BULK).await?;
    let ids: Vec<String> = page.items.into_iter().map(|job| job.id).collect();
    let asked = ids.len();
    let retried = job_rows::replay_all(&state.data, ids).await?;
    let refused = asked - retried;
    Ok(json!({"retried": retried, "refused": refused, "more": page.next.is_some()}))
}
