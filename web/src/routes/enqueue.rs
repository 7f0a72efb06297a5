//! `POST /api/v1/jobs` and `POST /api/v1/jobs/bulk`: jobs for a queue.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use shared::db::jobs::{self as job_rows, Once, Ordered, Placed};
use shared::jobs::order::Order;
use uuid::Uuid;

use crate::auth::Admin;
use crate::error::{Error, FieldError, Result};
use crate::extract::Json;
use crate::layers::Cause;
use crate::once;
use crate::state::AppState;

/// Bytes of many orders.
pub const BULK_MAX: usize = 8 * 1024 * 1024;
/// Orders of one request.
const MANY: usize = 1000;

/// Orders that are taken all, or none of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    items: Vec<Order>,
}

/// Takes a job: it is on disk when this answers. While another job of its
/// queue holds its key, the answer is that job's id.
///
/// # Errors
/// Each field at fault, or when the database fails.
pub async fn create(
    State(state): State<AppState>,
    Admin(user): Admin,
    Cause(cause): Cause,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Response> {
    let once = known_by(&headers, user.id, "one", std::slice::from_ref(&order))?;
    let placed = take(&state, vec![order], once, cause, |_| String::new()).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(placed.first())).into_response())
}

/// Takes up to 1,000 jobs in one transaction: all of them, or none.
///
/// # Errors
/// Each field at fault with the place of its order, or when the database fails.
pub async fn create_all(
    State(state): State<AppState>,
    Admin(user): Admin,
    Cause(cause): Cause,
    headers: HeaderMap,
    Json(Bulk { items }): Json<Bulk>,
) -> Result<Response> {
    if !(1..=MANY).contains(&items.len()) {
        let takes = format!("it takes 1 to {MANY} orders; got {}", items.len());
        return Err(Error::field("items", takes));
    }
    let once = known_by(&headers, user.id, "many", &items)?;
    let placed = take(&state, items, once, cause, |at| format!("items[{at}].")).await?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({"items": placed}))).into_response())
}

/// Orders jobs; `place` begins the name of a field of the order at that place.
async fn take(
    state: &AppState,
    orders: Vec<Order>,
    once: Option<Once>,
    cause: Uuid,
    place: fn(usize) -> String,
) -> Result<Vec<Placed>> {
    // What was taken once stays so, whatever the file of queues says today.
    if let Some(once) = &once
        && let Some(before) = job_rows::ordered_before(&state.data, once.clone()).await?
    {
        return placed(before);
    }
    let file = state.queues.read().await?;
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for (at, order) in orders.into_iter().enumerate() {
        match order.checked(&file, cause) {
            Ok(job) => jobs.push(job),
            Err(refusals) => faults.extend(refusals.into_iter().map(|refusal| FieldError {
                field: format!("{}{}", place(at), refusal.field).into(),
                detail: refusal.problem,
            })),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    placed(job_rows::order(&state.data, jobs, once).await?)
}

fn placed(ordered: Ordered) -> Result<Vec<Placed>> {
    match ordered {
        Ordered::Placed(placed) => Ok(placed),
        Ordered::OtherRequest => Err(Error::KeyReused),
    }
}

/// By what a request is known when it comes again: `what` tells one call from
/// another with the same body.
fn known_by(headers: &HeaderMap, user: Uuid, what: &str, orders: &[Order]) -> Result<Option<Once>> {
    let Some(key) = once::key(headers)? else { return Ok(None) };
    let orders =
        serde_json::to_string(orders).map_err(|error| Error::Internal(error.to_string()))?;
    let key = once::digest(&[&user.to_string(), key]);
    Ok(Some(Once { key, request: once::digest(&[what, &orders]) }))
}
