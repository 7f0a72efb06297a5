//! What is done with many jobs at once: a page that asks, and the deed.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::jobs::{JobState, Replayed, dead_by_failure};
use shared::overview;

use super::super::jobs::{self, Asked, CalledOff};
use super::super::queues;
use super::{address, nav};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Form, Query};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::admin::jobs::{Bulk, JobBulkPage};

/// Which jobs; empty is any.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chosen {
    queue: String,
    kind: String,
}

/// `GET /admin/jobs/retry?queue=`.
///
/// # Errors
/// When the queue is unknown, or the database fails.
pub async fn confirm_retry(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(Chosen { queue, .. }): Query<Chosen>,
) -> Result<Response> {
    if !queue.is_empty() {
        queues::known(&state, &queue).await?;
    }
    let failed = dead_by_failure(&state.data).await?;
    let asked = failed.iter().filter(|(name, _)| queue.is_empty() || *name == queue);
    let count = Some(asked.map(|(_, count)| count.unsigned_abs()).sum());
    let (layout, nav) = (frame.layout().await?, nav(&state).await?);
    page::private(&JobBulkPage { layout, nav, act: Bulk::Retry, queue, kind: String::new(), count })
}

/// `POST /admin/jobs/retry`: all dead jobs of a queue, or of all.
///
/// # Errors
/// When the queue is unknown, or the database fails.
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Form(Chosen { queue, .. }): Form<Chosen>,
) -> Result<Response> {
    let asked = Asked { queue: Some(queue.clone()), ..Asked::default() };
    let Replayed { retried, refused, cancelled } = jobs::replay_all(&state, asked).await?;
    let counts = [retried, refused, cancelled].map(|count| count.to_string());
    let parameters = [
        ("queue", queue.as_str()),
        ("state", JobState::Dead.as_str()),
        ("retried", &counts[0]),
        ("refused", &counts[1]),
        ("kept", &counts[2]),
    ];
    Ok(Redirect::to(&address("/admin/jobs", &parameters)).into_response())
}

/// `GET /admin/jobs/cancel?queue=&kind=`.
///
/// # Errors
/// When no queue is named or it is unknown, or the database fails.
pub async fn confirm_cancel(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(Chosen { queue, kind }): Query<Chosen>,
) -> Result<Response> {
    if queue.is_empty() {
        return Err(Error::bad_request("choose a queue whose jobs are to be cancelled"));
    }
    queues::known(&state, &queue).await?;
    let counts = overview::counts(&state.data, &state.bus, Some(&queue)).await?;
    let stored = counts.stored.ok().filter(|_| kind.is_empty());
    let count = stored.map(|(waits, runs)| waits + runs + counts.unsent + counts.scheduled);
    let (layout, nav) = (frame.layout().await?, nav(&state).await?);
    page::private(&JobBulkPage { layout, nav, act: Bulk::Cancel, queue, kind, count })
}

/// `POST /admin/jobs/cancel`: all jobs of a queue that are not over.
///
/// # Errors
/// When no queue is named or it is unknown, or the database or NATS fails.
pub async fn cancel(
    State(state): State<AppState>,
    _: Admin,
    Form(Chosen { queue, kind }): Form<Chosen>,
) -> Result<Response> {
    let asked = CalledOff { queue: queue.clone(), kind: Some(kind.clone()) };
    let cancelled = jobs::call_off(&state, asked).await?.to_string();
    let parameters = [
        ("queue", queue.as_str()),
        ("kind", &kind),
        ("state", JobState::Dead.as_str()),
        ("cancelled", &cancelled),
    ];
    Ok(Redirect::to(&address("/admin/jobs", &parameters)).into_response())
}
