//! One job, wherever it is on its way.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::db::{jobs as job_rows, outbox};
use shared::envelope::Envelope;
use shared::subject::JobAddress;
use shared::time::Instant;

use super::jobs::{JobState, Listed, of_waiting};
use super::queues;
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::Path;
use crate::state::AppState;

/// Jobs ahead among which one is looked for, in each queue.
const LOOK: usize = 10_000;

/// A job with all that is known about it.
#[derive(Debug, Clone, Serialize)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub job: Listed,
    /// Every failed attempt, oldest first.
    pub errors: Vec<job_rows::Attempt>,
    /// The message; of a job that is done it is not kept.
    pub body: Option<String>,
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

/// Finds a job where it is: over, in the outbox, or in the stream. It is looked
/// for along its way, and once more at the end: it may go on meanwhile.
///
/// # Errors
/// When there is no such job, or the database fails.
pub async fn find(state: &AppState, id: &str) -> Result<Detail> {
    if let Some(over) = over(state, id).await? {
        return Ok(over);
    }
    let ahead = match unsent(state, id).await? {
        Some(found) => Some(found),
        None => stored(state, id).await?,
    };
    let Some((job, body)) = ahead else {
        return over(state, id).await?.ok_or(Error::NotFound("job"));
    };
    let errors = job_rows::errors_of(&state.data, id.to_owned()).await?;
    Ok(Detail { job, errors, body: Some(body) })
}

async fn over(state: &AppState, id: &str) -> Result<Option<Detail>> {
    let found = job_rows::detail(&state.data, id.to_owned()).await?;
    Ok(found.map(|job_rows::Detail { job, errors, body }| Detail { job: job.into(), errors, body }))
}

/// A job that is in the outbox, with its message.
async fn unsent(state: &AppState, id: &str) -> Result<Option<(Listed, String)>> {
    let Some(row) = outbox::find_job(&state.data, id.to_owned()).await? else {
        return Ok(None);
    };
    let job: Option<Envelope> = serde_json::from_slice(&row.body).ok();
    let is_due = row.due <= Instant::now();
    let at = if is_due { JobState::Queued } else { JobState::Scheduled };
    let listed = JobAddress::parse(&row.subject)
        .map(|address| Listed::of_message(address.queue, address.kind, job, at, row.due));
    Ok(listed.map(|listed| (listed, String::from_utf8_lossy(&row.body).into_owned())))
}

/// A job that is in the stream, with its message. While NATS is away it
/// cannot be found.
async fn stored(state: &AppState, id: &str) -> Result<Option<(Listed, String)>> {
    let is_it = |job: Option<&Envelope>| job.is_some_and(|job| job.id.to_string() == id);
    for name in queues::read(state).await?.queues.into_keys() {
        for running in [true, false] {
            let asked = state.bus.waiting(&name, running, 1, LOOK).await;
            let (waiting, _) = asked.unwrap_or_default();
            let found = waiting.into_iter().find(|waiting| is_it(waiting.job.as_ref()));
            if let Some(waiting) = found {
                let body = waiting.job.as_ref().map(Envelope::to_json).unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                return Ok(Some((of_waiting(waiting), body)));
            }
        }
    }
    Ok(None)
}
