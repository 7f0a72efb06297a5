//! Statistics through the API.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use shared::db::views;
use shared::time::Instant;

use crate::auth::Admin;
use crate::error::Result;
use crate::extract::{Query, limit};
use crate::state::AppState;

/// Rows of a statistic.
const ROWS: usize = 50;

/// The time that is counted.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// From then on; from the beginning when it is left out.
    from: Option<Instant>,
    limit: Option<usize>,
}

impl Asked {
    fn from(&self) -> Instant {
        self.from.unwrap_or(Instant::from_millis(0))
    }
}

/// `GET /api/v1/stats/totals`.
///
/// # Errors
/// When the database fails.
pub async fn totals(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    Ok(JsonBody(views::since(&state.data, asked.from()).await?).into_response())
}

/// `GET /api/v1/stats/pages`.
///
/// # Errors
/// When the database fails.
pub async fn pages(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let limit = limit(asked.limit, ROWS)?;
    let items = views::top_pages(&state.data, asked.from(), limit).await?;
    Ok(JsonBody(json!({"items": items, "next": null})).into_response())
}
