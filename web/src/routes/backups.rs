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
use crate::extract::{Path, Query, after_id, limit};
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
/// When there is no such tier.
pub async fn list(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let limit = limit(asked.limit, PAGE)?;
    let tier = asked.tier.map(|tier| known(&tier)).transpose()?;
    let page = backups::list(&state.data, tier, after_id(asked.after)?, limit).await?;
    Ok(JsonBody(page).into_response())
}

/// The name of a tier, which must be one.
fn known(tier: &str) -> Result<String> {
    let tiers = Tier::OLDEST_FIRST.map(|tier| tier.to_string()).join(", ");
    let known: std::result::Result<Tier, _> = tier.parse();
    known
        .map(|tier| tier.to_string())
        .map_err(|_| Error::bad_request(format!("tier takes one of {tiers}; got {tier:?}")))
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
