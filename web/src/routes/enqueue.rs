//! `POST /api/v1/jobs`: a job for a queue.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::db::{self, Tx, outbox};
use shared::jobs::enqueue::{Enqueue, Hold, Priority};
use shared::subject::is_word;
use shared::time::Instant;
use uuid::Uuid;

use super::queues;
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::Json;
use crate::layers::Cause;
use crate::state::AppState;

/// Longest key of a unique job, in bytes.
const KEY_MAX: usize = 200;
/// Largest payload, in bytes of JSON: a message holds 1 MiB at most.
const PAYLOAD_MAX: usize = 256 * 1024;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    queue: String,
    kind: String,
    #[serde(default)]
    payload: Value,
    run_at: Option<Instant>,
    unique_key: Option<String>,
    #[serde(default)]
    priority: Priority,
    cost: Option<u32>,
}

/// Takes a job: it is on disk when this answers. While another job of its
/// queue holds its key, the answer is that job's id.
///
/// # Errors
/// Each field at fault, or when the database fails.
pub async fn create(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Json(asked): Json<NewJob>,
) -> Result<Response> {
    let job = checked(&state, asked, cause).await?;
    let send = move |tx: &Tx<'_>| outbox::enqueue(tx, job);
    let id: Uuid = state.data.writer().write::<_, db::Error, _>(send).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"id": id}))).into_response())
}

async fn checked(state: &AppState, asked: NewJob, cause: Uuid) -> Result<Enqueue<Value>> {
    let NewJob { queue, kind, payload, run_at, unique_key, priority, cost } = asked;
    let known = queues::read(state).await?.queues;
    if !known.contains_key(&queue) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let problem = format!("there is no queue {queue:?}; there are {}", names.join(", "));
        return Err(Error::field("queue", problem));
    }
    if !is_word(&kind) {
        return Err(Error::field("kind", format!("got {kind:?}; it takes a-z, 0-9, - and _")));
    }
    if payload.to_string().len() > PAYLOAD_MAX {
        return Err(Error::field("payload", format!("it takes {PAYLOAD_MAX} bytes at most")));
    }
    let job = Enqueue::of(queue, &kind, cause, payload).priority(priority);
    let job = job.cost(cost.unwrap_or(1));
    let job = match run_at {
        Some(due) if due > Instant::now() => job.at(due),
        _ => job,
    };
    match unique_key {
        None => Ok(job),
        Some(key) if (1..=KEY_MAX).contains(&key.len()) => Ok(job.unique(key, Hold::UntilOver)),
        Some(_) => Err(Error::field("unique_key", format!("it takes 1 to {KEY_MAX} bytes"))),
    }
}
