//! Jobs: waiting, running, done and dead.

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use shared::db::Page;
use shared::db::jobs::{self as job_rows, Detail, JobState, Listed, Only, Replayed};
use shared::overview::{self, Cursor};

use super::queues;
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query, limit};
use crate::state::AppState;

/// Jobs of one page of the list.
const PAGE: usize = 50;

/// Which jobs a list holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    /// Only this queue.
    pub queue: Option<String>,
    /// Only this kind.
    pub kind: Option<String>,
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
pub async fn page(state: &AppState, asked: Asked) -> Result<Page<Listed>> {
    let limit = limit(asked.limit, PAGE)?;
    let queue = asked.queue.filter(|queue| !queue.is_empty());
    if let Some(queue) = &queue {
        queues::known(state, queue).await?;
    }
    let after = asked.after.map(|text| cursor(&text, asked.state)).transpose()?;
    let only = Only { queue, kind: asked.kind.filter(|kind| !kind.is_empty()) };
    let asked = overview::Asked { only, state: asked.state, after, limit };
    Ok(overview::list(&state.data, &state.bus, asked).await?)
}

fn cursor(text: &str, state: Option<JobState>) -> Result<Cursor> {
    let cursor: Cursor = text.parse().map_err(Error::bad_request)?;
    if cursor.fits(state) {
        return Ok(cursor);
    }
    let problem = format!("after takes `next` of a page of the same state; got {text:?}");
    Err(Error::BadRequest(problem))
}

/// Finds a job where it is.
///
/// # Errors
/// When there is no such job; when it cannot be known whether there is; when the
/// database fails.
pub async fn find(state: &AppState, id: &str) -> Result<Detail> {
    // A job is shown whatever is wrong with the file.
    let file = state.queues.read().await.unwrap_or_default();
    match overview::find(&state.data, &state.bus, &file, id).await? {
        Some(found) => Ok(found),
        None => Err(overview::absent(&state.data, id).await.into()),
    }
}

/// `GET /api/v1/jobs/{id}`, with every error; of one that was sent back, where it
/// went on.
///
/// # Errors
/// As [`find`].
pub async fn get(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    match job_rows::retried(&state.data, id.clone()).await? {
        Some(retried) => Ok(JsonBody(retried).into_response()),
        None => Ok(JsonBody(find(&state, &id).await?).into_response()),
    }
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
    Ok(JsonBody(page(&state, asked).await?).into_response())
}

/// `POST /api/v1/jobs/{id}/retry`: sends a dead job back to its queue.
///
/// # Errors
/// When the job is not dead, its bytes are no job, or another job holds its key.
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    let now = overview::retry(&state.data, &state.bus, &id).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"id": now}))).into_response())
}

/// `POST /api/v1/jobs/{id}/discard`: forgets a dead job.
///
/// # Errors
/// When the job is not dead.
pub async fn discard(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    overview::discard(&state.data, &state.bus, &id).await?;
    Ok(StatusCode::NO_CONTENT)
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
    let file = state.queues.read().await?;
    overview::cancel(&state.data, &state.bus, &file, &id).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"id": id}))).into_response())
}

/// Which jobs are called off together.
#[derive(Debug, Clone, Deserialize)]
pub struct CalledOff {
    /// Of this queue.
    #[serde(default)]
    pub queue: String,
    /// Only this kind.
    pub kind: Option<String>,
}

/// `POST /api/v1/jobs/cancel?queue=&kind=`: calls off all jobs of a queue that are
/// not over.
///
/// # Errors
/// When no queue is named or it is unknown, or the database or NATS fails.
pub async fn cancel_all(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<CalledOff>,
) -> Result<Response> {
    let cancelled = call_off(&state, asked).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"cancelled": cancelled}))).into_response())
}

/// Calls off all jobs of a queue; gives how many.
///
/// # Errors
/// As [`cancel_all`].
pub async fn call_off(state: &AppState, asked: CalledOff) -> Result<usize> {
    if asked.queue.is_empty() {
        let problem = "this call takes a queue, and may take a kind, as ?queue=words&kind=count";
        return Err(Error::bad_request(problem));
    }
    queues::known(state, &asked.queue).await?;
    let kind = asked.kind.filter(|kind| !kind.is_empty());
    let only = Only { queue: Some(asked.queue), kind };
    let (data, bus) = (state.data.clone(), state.bus.clone());
    // Whoever asked may leave: what was begun is done.
    let all = tokio::spawn(async move { overview::cancel_all(&data, &bus, &only).await });
    Ok(all.await.map_err(|error| Error::Internal(error.to_string()))??)
}

/// `POST /api/v1/jobs/retry?queue=&state=dead`: sends dead jobs back.
///
/// # Errors
/// When there is a body, another state or no queue is named, or the database fails.
pub async fn retry_all(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Result<Response> {
    // Who names a queue there means that one, not all.
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        let problem = "this call takes no body: name the queue in the address, as ?queue=words";
        return Err(Error::bad_request(problem));
    }
    let replayed = replay_all(&state, asked).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(replayed)).into_response())
}

/// Sends all dead jobs back, or those of one queue; gives what became of them.
///
/// # Errors
/// As [`retry_all`].
pub async fn replay_all(state: &AppState, asked: Asked) -> Result<Replayed> {
    if asked.state.is_some_and(|state| state != JobState::Dead) {
        return Err(Error::bad_request("state takes dead here: only dead jobs can be retried"));
    }
    let queue = asked.queue.filter(|queue| !queue.is_empty());
    if let Some(queue) = &queue {
        queues::known(state, queue).await?;
    }
    Ok(job_rows::replay_all(&state.data, queue).await?)
}
