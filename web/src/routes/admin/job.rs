//! `GET /admin/jobs/{id}`, and what can be done with a job.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::jobs::{self as job_rows, Body, Detail, JobState, Made, UniqueKey};
use shared::overview::{self, Undone};

use super::super::jobs;
use super::super::present::when;
use super::jobs::row;
use super::{address, nav, trace};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::Notice;
use crate::views::admin::jobs::{Attempt, Content, JobPage, Key, Run};

/// What can be done with a job.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Send it back.
    Retry,
    /// Forget it.
    Discard,
    /// Call it off.
    Cancel,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
            Self::Cancel => "cancel",
        }
    }

    /// Why it was refused, from how the job is now.
    fn refusal(self, detail: &Detail) -> String {
        let state = detail.job.state;
        let holder = detail.unique_key.as_ref().and_then(|unique| unique.holder.as_deref());
        match self {
            Self::Retry if state != JobState::Dead => {
                format!("Not sent back: only a dead job can be, and this one is {state}.")
            }
            Self::Retry if detail.is_poison() => {
                "Not sent back: the message is no job, and can only be discarded.".to_owned()
            }
            Self::Retry => match holder {
                Some(holder) => format!(
                    "Not sent back: the job {holder} holds its key. When that one is over, this \
                     one can be."
                ),
                None => "Not sent back: another job held its key, which is free now.".to_owned(),
            },
            Self::Discard => {
                format!("Not discarded: only a dead job can be, and this one is {state}.")
            }
            Self::Cancel => format!("Not called off: the job is {state} already."),
        }
    }
}

/// What was just done, or refused.
#[derive(Debug, Default, Deserialize)]
pub struct Outcome {
    refused: Option<Act>,
    #[serde(default)]
    sent: bool,
}

impl Outcome {
    fn notice(&self, detail: &Detail) -> Option<Notice> {
        match self.refused {
            Some(act) => Some(Notice::error(act.refusal(detail))),
            None => self.sent.then(|| Notice::good("Sent back. It has this new id.")),
        }
    }
}

/// Shows one job; one that was sent back as what it is now.
///
/// # Errors
/// When there is no such job.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(id): Path<String>,
    Query(outcome): Query<Outcome>,
) -> Result<Response> {
    if let Some(retried) = job_rows::retried(&state.data, id.clone()).await? {
        return Ok(to_job(&retried.retried_as.to_string(), &[]));
    }
    match jobs::find(&state, &id).await {
        Ok(detail) => {
            let notice = outcome.notice(&detail);
            page::private(&shown(detail, notice, &frame, &state).await?)
        }
        Err(Error::Absent(_)) if outcome.refused.is_some() => Ok(gone()),
        Err(error) => Err(error),
    }
}

async fn shown(
    detail: Detail,
    notice: Option<Notice>,
    frame: &Frame,
    state: &AppState,
) -> Result<JobPage> {
    let (over, dead) = (detail.job.state.is_over(), detail.job.state == JobState::Dead);
    let is_poison = detail.is_poison();
    let trace = if is_poison { Vec::new() } else { trace::of(state, &detail.job).await? };
    Ok(JobPage {
        layout: frame.layout_with(notice).await?,
        nav: nav(state).await?,
        attempts: attempts(&detail),
        reason: untold_reason(&detail),
        run: detail.order.as_ref().map(|order| Run {
            priority: order.priority.as_str(),
            cost: order.cost,
            batch: order.batch.map(|batch| batch.to_string()),
        }),
        key: detail.unique_key.map(|unique| key(unique, &detail.job.id)),
        cause: Some(detail.job.cause.clone()).filter(|cause| !cause.is_empty()),
        result: detail.result.as_ref().map(result),
        content: content(detail.order.map(|order| order.payload), detail.message),
        trace,
        can_retry: dead && !is_poison,
        can_discard: dead,
        can_cancel: !over,
        job: row(detail.job, detail.max_attempts),
    })
}

/// Why it died, unless its last attempt tells it.
fn untold_reason(detail: &Detail) -> Option<String> {
    let last = detail.errors.last().map(|attempt| &attempt.error);
    detail.job.reason.clone().filter(|reason| last != Some(reason))
}

/// Those that failed, and the one that went well. Attempts that were put off have
/// no number here.
fn attempts(detail: &Detail) -> Vec<Attempt> {
    let failed = detail.errors.iter().map(|attempt| Attempt {
        number: attempt.attempt,
        time: when(attempt.at),
        error: Some(attempt.error.clone()),
    });
    let well = (detail.job.state == JobState::Done).then(|| Attempt {
        number: detail.job.tries(),
        time: when(detail.job.at),
        error: None,
    });
    failed.chain(well).collect()
}

fn key(unique: UniqueKey, job: &str) -> Key {
    let is_held = unique.holder.as_deref() == Some(job);
    Key { name: unique.key, is_held, other: unique.holder.filter(|_| !is_held) }
}

fn result(made: &Made) -> String {
    let too_large = || format!("It has {} bytes, and is not kept.", made.bytes);
    made.value.as_ref().map_or_else(too_large, |value| indented(value.as_str()))
}

fn content(payload: Option<shared::envelope::Untyped>, message: Option<Body>) -> Content {
    match (payload, message) {
        (_, None) => Content::Gone,
        (Some(payload), Some(message)) => Content::Job {
            payload: indented(payload.as_str()),
            envelope: indented(&message.to_string()),
        },
        (None, Some(message @ Body::Text(_))) => {
            Content::Poison { message: message.to_string(), form: "text" }
        }
        (None, Some(message @ Body::Bytes(_))) => {
            Content::Poison { message: message.to_string(), form: "base64, since it is no text" }
        }
    }
}

/// JSON in lines; anything else as it is.
fn indented(body: &str) -> String {
    let json: std::result::Result<serde_json::Value, _> = serde_json::from_str(body);
    json.ok().and_then(|json| serde_json::to_string_pretty(&json).ok()).unwrap_or(body.to_owned())
}

/// `POST /admin/jobs/{id}/retry`; leads to the job that runs again.
///
/// # Errors
/// When the database fails.
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    match overview::retry(&state.data, &state.bus, &id).await {
        Ok(now) => Ok(to_job(&now.to_string(), &[("sent", "true")])),
        Err(undone) => refused(&id, Act::Retry, undone),
    }
}

/// `POST /admin/jobs/{id}/discard`.
///
/// # Errors
/// When the database fails.
pub async fn discard(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    match overview::discard(&state.data, &state.bus, &id).await {
        Ok(()) => Ok(Redirect::to("/admin/jobs?state=dead").into_response()),
        Err(undone) => refused(&id, Act::Discard, undone),
    }
}

/// `POST /admin/jobs/{id}/cancel`.
///
/// # Errors
/// When it cannot be known where the job is, or the database fails.
pub async fn cancel(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    let file = state.queues.read().await?;
    match overview::cancel(&state.data, &state.bus, &file, &id).await {
        Ok(()) => Ok(to_job(&id, &[])),
        Err(undone) => refused(&id, Act::Cancel, undone),
    }
}

/// Back to the job, which says why; what is the site's own fault is an error.
fn refused(id: &str, act: Act, undone: Undone) -> Result<Response> {
    match undone {
        Undone::Away(_) => Err(undone.into()),
        // Of what is no job the id is none, once it is discarded.
        Undone::NoId(_) => Ok(gone()),
        _ => Ok(to_job(id, &[("refused", act.as_str())])),
    }
}

fn gone() -> Response {
    Redirect::to("/admin/jobs?state=dead&gone=true").into_response()
}

fn to_job(id: &str, parameters: &[(&str, &str)]) -> Response {
    let path = format!("/admin/jobs/{}", crate::views::path_segment(id));
    Redirect::to(&address(&path, parameters)).into_response()
}
