//! Backups through the API.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use shared::db::backups::{self, Tier};

use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query, limit};
use crate::state::AppState;

/// Runs of one page of the list.
const PAGE: usize = 50;

/// Which runs a list holds.
#[derive(Debug, Deserialize)]
pub struct Asked {
    tier: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/backups`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let limit = limit(asked.limit, PAGE)?;
    let page = backups::list(&state.data, asked.tier, asked.after, limit).await?;
    Ok(JsonBody(page).into_response())
}

/// `POST /api/v1/backups/{tier}/run`: cron begins within seconds.
///
/// # Errors
/// When there is no such tier.
pub async fn run(
    State(state): State<AppState>,
    _: Admin,
    Path(tier): Path<String>,
) -> Result<Response> {
    let tier = request(&state, &tier).await?;
    let body = json!({"tier": tier, "requested": true});
    Ok((StatusCode::ACCEPTED, JsonBody(body)).into_response())
}

/// Asks cron for a run.
///
/// # Errors
/// As [`run`].
pub async fn request(state: &AppState, tier: &str) -> Result<Tier> {
    let tier: Tier = tier.parse().map_err(|_| Error::NotFound("tier"))?;
    backups::request_run(&state.data, tier).await?;
    Ok(tier)
}
