//! Jobs: waiting, running, done and dead.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::bus::queues::Waiting;
use shared::db::{self, done, outbox};
use shared::envelope::Envelope;
use shared::subject;
use shared::time::Instant;

use super::queues;
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query, limit};
use crate::state::AppState;

/// Jobs of one page of the list.
const PAGE: usize = 50;
/// Jobs ahead among which one is looked for, in each queue.
const LOOK: usize = 200;
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

impl From<done::Ended> for Listed {
    fn from(job: done::Ended) -> Self {
        let done::Ended { id, queue, kind, state, cause, attempt, at, reason } = job;
        Self { id, queue, kind, state, cause, attempt, at, reason }
    }
}

impl Listed {
    fn of_message(
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
    /// Only this state; dead when it is left out.
    pub state: Option<JobState>,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// One page of the list.
///
/// # Errors
/// When the database or NATS fails.
pub async fn page(state: &AppState, asked: Asked) -> Result<(Vec<Listed>, Option<String>)> {
    let limit = limit(asked.limit, PAGE)?;
    let queue = asked.queue.filter(|queue| !queue.is_empty());
    match asked.state.unwrap_or(JobState::Dead) {
        JobState::Scheduled => Ok((scheduled(state, queue, limit).await?, None)),
        JobState::Queued => Ok((in_stream(state, queue, false, limit).await?, None)),
        JobState::Running => Ok((in_stream(state, queue, true, limit).await?, None)),
        ended => {
            let dead = ended == JobState::Dead;
            let page = done::list(&state.data, dead, queue, asked.after, limit).await?;
            Ok((page.items.into_iter().map(Listed::from).collect(), page.next))
        }
    }
}

async fn scheduled(state: &AppState, queue: Option<String>, limit: usize) -> Result<Vec<Listed>> {
    let rows = outbox::scheduled(&state.data, limit).await?;
    let listed = rows.into_iter().filter_map(|row| {
        let (of, kind) = subject::parse_job(&row.subject)?;
        let job = serde_json::from_slice(&row.body).ok();
        Some(Listed::of_message(of, kind, job, JobState::Scheduled, row.due))
    });
    Ok(listed.filter(|job| queue.as_ref().is_none_or(|queue| *queue == job.queue)).collect())
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
        let waiting = state.bus.waiting(&name, limit).await;
        let waiting = waiting.map_err(|error| Error::unavailable(error.to_string()))?;
        listed.extend(waiting.into_iter().filter(|job| job.running == running).map(of_waiting));
    }
    listed.sort_by_key(|job| std::cmp::Reverse(job.at));
    listed.truncate(limit);
    Ok(listed)
}

fn of_waiting(job: Waiting) -> Listed {
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

/// A job with all that is known about it.
#[derive(Debug, Clone, Serialize)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub job: Listed,
    /// Every failed attempt, oldest first.
    pub errors: Vec<done::Attempt>,
    /// The message; of a job that is done it is not kept.
    pub body: Option<String>,
}

/// Finds a job: one that is over, or one among those that are still ahead.
///
/// # Errors
/// When there is no such job, or the database fails.
pub async fn find(state: &AppState, id: &str) -> Result<Detail> {
    if let Some(over) = done::detail(&state.data, id.to_owned()).await? {
        let done::Detail { job, errors, body } = over;
        return Ok(Detail { job: job.into(), errors, body });
    }
    let found = match scheduled_one(state, id).await? {
        Some(found) => Some(found),
        None => stored_one(state, id).await?,
    };
    let (job, body) = found.ok_or(Error::NotFound("job"))?;
    let errors = done::errors_of(&state.data, id.to_owned()).await?;
    Ok(Detail { job, errors, body: Some(body) })
}

fn is_it(job: Option<&Envelope>, id: &str) -> bool {
    job.is_some_and(|job| job.id.to_string() == id)
}

/// A job whose time has not come, with its message.
async fn scheduled_one(state: &AppState, id: &str) -> Result<Option<(Listed, String)>> {
    for row in outbox::scheduled(&state.data, LOOK).await? {
        let job: Option<Envelope> = serde_json::from_slice(&row.body).ok();
        if is_it(job.as_ref(), id)
            && let Some((queue, kind)) = subject::parse_job(&row.subject)
        {
            let listed = Listed::of_message(queue, kind, job, JobState::Scheduled, row.due);
            return Ok(Some((listed, String::from_utf8_lossy(&row.body).into_owned())));
        }
    }
    Ok(None)
}

/// A job that is in the stream, with its message. While NATS is away it
/// cannot be found.
async fn stored_one(state: &AppState, id: &str) -> Result<Option<(Listed, String)>> {
    for name in queues::read(state).await?.queues.into_keys() {
        let waiting = state.bus.waiting(&name, LOOK).await.unwrap_or_default();
        let found = waiting.into_iter().find(|waiting| is_it(waiting.job.as_ref(), id));
        if let Some(waiting) = found {
            let body = waiting.job.as_ref().map(Envelope::to_json).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            return Ok(Some((of_waiting(waiting), body)));
        }
    }
    Ok(None)
}

/// `GET /api/v1/jobs/{id}`, with every error.
///
/// # Errors
/// When there is no such job.
pub async fn get(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    Ok(JsonBody(find(&state, &id).await?).into_response())
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
    match done::replay(&state.data, id).await {
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
    match done::discard(&state.data, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::NotFound("dead job")),
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
    let (mut retried, mut refused) = (0, 0);
    let page = done::list(&state.data, true, queue, None, BULK).await?;
    for job in page.items {
        match replay(state, job.id).await {
            Ok(_) => retried += 1,
            Err(Error::Conflict(_) | Error::NotFound(_)) => refused += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(json!({"retried": retried, "refused": refused, "more": page.next.is_some()}))
}
