//! Queues: what waits, what runs, what came of it.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use shared::bus::pauses::{self, PauseError};
use shared::error::chain;
use shared::overview;

use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::Path;
use crate::state::AppState;

/// Every queue, in order of name: those of the file, and others that NATS holds
/// jobs of.
///
/// # Errors
/// When the database fails, or the file of queues cannot be used.
pub async fn all(state: &AppState) -> Result<overview::Queues> {
    let file = state.queues.read().await?;
    Ok(overview::queues(&state.data, &state.bus, &file).await?)
}

/// Checks that there is something to be seen of a queue: the file has it, or
/// there are jobs of it.
///
/// # Errors
/// When there is not, or it cannot be known.
pub async fn known(state: &AppState, name: &str) -> Result<()> {
    let file = state.queues.read().await?;
    Ok(overview::known_queue(&state.data, &state.bus, &file, name).await?)
}

/// `GET /api/v1/queues`.
///
/// # Errors
/// When the database fails, or NATS is away.
pub async fn list(State(state): State<AppState>, _: Admin) -> Result<Response> {
    let overview::Queues { items, problem } = all(&state).await?;
    match problem {
        Some(problem) => Err(Error::unavailable(problem.to_string())),
        None => Ok(JsonBody(json!({"items": items, "next": null})).into_response()),
    }
}

/// `GET /api/v1/periodic`: the periodic jobs, with their next and last time.
///
/// # Errors
/// When the database fails, or the file of queues cannot be used.
pub async fn periodic(State(state): State<AppState>, _: Admin) -> Result<Response> {
    let items = overview::periodic(&state.data, &state.queues.read().await?).await?;
    Ok(JsonBody(json!({"items": items, "next": null})).into_response())
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
    let file = state.queues.read().await?;
    if !file.queues.contains_key(name) {
        return Err(Error::Absent(file.unknown(name)));
    }
    match pauses::set(&state.data, &state.bus, name, paused).await {
        Ok(()) => Ok(()),
        Err(PauseError::Database(error)) => Err(error.into()),
        Err(untold @ PauseError::Untold(_)) => Err(Error::unavailable(chain(&untold))),
    }
}
