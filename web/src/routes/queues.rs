//! Queues: what waits, what runs, what came of it.

use std::collections::HashMap;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use shared::bus::queues::QueueState;
use shared::db::jobs as job_rows;
use shared::queues::Queues;
use shared::time::Instant;

use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::Path;
use crate::state::AppState;

/// A queue as the API gives it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// `data`, `compute` or `external`.
    pub role: &'static str,
    /// Jobs that wait.
    pub depth: u64,
    /// Jobs under way.
    pub in_flight: u64,
    /// Jobs done in the last day.
    pub done: i64,
    /// Attempts that failed in the last day, of jobs that are over.
    pub failed: i64,
    /// Jobs that gave up.
    pub dead: i64,
    /// Age of the oldest job that is not over, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// Jobs done in a second, over the last minute.
    pub rate: f64,
    /// Whether no job is handed out.
    pub paused: bool,
}

/// Every queue, in order of name, and why the figures of NATS are missing, if
/// they are.
///
/// # Errors
/// When the database fails, or the file of queues cannot be used.
pub async fn all(state: &AppState) -> Result<(Vec<Shown>, Option<String>)> {
    let queues = read(state).await?.queues;
    let asked = queues.keys().map(|name| state.bus.queue_state(name));
    let states = futures_util::future::join_all(asked).await;
    let by = |rows: Vec<(String, i64)>| rows.into_iter().collect::<HashMap<String, i64>>();
    let done = by(job_rows::done_by_queue(&state.data).await?);
    let failed = by(job_rows::failed_by_queue(&state.data).await?);
    let dead = by(job_rows::dead_by_queue(&state.data).await?);
    let fresh = by(job_rows::done_in_a_minute(&state.data).await?);
    let (mut shown, mut problem) = (Vec::new(), None);
    for ((name, queue), asked) in queues.into_iter().zip(states) {
        let now = asked.unwrap_or_else(|error| {
            problem = Some(error.to_string());
            QueueState::default()
        });
        let of = |counts: &HashMap<String, i64>| counts.get(&name).copied().unwrap_or(0);
        shown.push(Shown {
            role: queue.role.as_str(),
            depth: now.depth,
            in_flight: now.in_flight,
            done: of(&done),
            failed: of(&failed),
            dead: of(&dead),
            oldest_ms: now.oldest.map(age_ms),
            rate: f64::from(u32::try_from(of(&fresh)).unwrap_or(u32::MAX)) / 60.0,
            paused: now.paused,
            name,
        });
    }
    Ok((shown, problem))
}

fn age_ms(since: Instant) -> u64 {
    u64::try_from(Instant::now().since(since).as_millis()).unwrap_or(u64::MAX)
}

/// The file of queues, as it is now.
///
/// # Errors
/// When it cannot be used.
pub async fn read(state: &AppState) -> Result<Queues> {
    let path = state.config.queues_file.clone();
    let read = tokio::task::spawn_blocking(move || Queues::read(&path)).await;
    let read = read.map_err(|error| Error::Internal(error.to_string()))?;
    read.map_err(|error| Error::Internal(error.to_string()))
}

/// `GET /api/v1/queues`.
///
/// # Errors
/// When the database fails, or NATS is away.
pub async fn list(State(state): State<AppState>, _: Admin) -> Result<Response> {
    let (items, problem) = all(&state).await?;
    match problem {
        Some(problem) => Err(Error::Unavailable(problem)),
        None => Ok(JsonBody(json!({"items": items, "next": null})).into_response()),
    }
}

/// `POST /api/v1/queues/{name}/pause`.
///
/// # Errors
/// When there is no such queue, or NATS is away.
pub async fn pause(
    State(state): State<AppState>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Response> {
    set_paused(&state, &name, true).await?;
    Ok(JsonBody(json!({"name": name, "paused": true})).into_response())
}

/// `POST /api/v1/queues/{name}/resume`.
///
/// # Errors
/// As [`pause`].
pub async fn resume(
    State(state): State<AppState>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Response> {
    set_paused(&state, &name, false).await?;
    Ok(JsonBody(json!({"name": name, "paused": false})).into_response())
}

/// Pauses a queue or lets it go on.
///
/// # Errors
/// As [`pause`].
pub async fn set_paused(state: &AppState, name: &str, paused: bool) -> Result<()> {
    if !read(state).await?.queues.contains_key(name) {
        return Err(Error::NotFound("queue"));
    }
    let set = if paused { state.bus.pause(name).await } else { state.bus.resume(name).await };
    set.map_err(|error| Error::unavailable(error.to_string()))
}
