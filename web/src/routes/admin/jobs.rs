//! `GET /admin/jobs`, one job, and what can be done with it.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::Page;
use shared::db::jobs::{self as job_rows, Detail, JobState, Listed, Replayed};
use shared::overview;
use shared::subject::{Topic, is_word};

use super::super::jobs::{self, Asked};
use super::super::present::when;
use super::super::queues;
use super::{address, filter, nav, pager, periodic, trace};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Form, Path, Query};
use crate::page::{self, Frame};
use crate::params::Params;
use crate::state::AppState;
use crate::views::admin::Filter;
use crate::views::admin::jobs::{Attempt, JobPage, JobRow, JobsPage};
use crate::views::{Notice, Order, Pager};

/// The parameters of the page.
pub const PARAMS: Params = &["queue", "state", "after", "retried", "refused"];

/// Which jobs; empty is any.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    queue: String,
    state: String,
    after: Option<String>,
    retried: Option<usize>,
    refused: Option<usize>,
}

impl Filters {
    /// The chosen state, or `usual` when none is.
    fn state_or(&self, usual: JobState) -> Result<JobState> {
        match self.state.as_str() {
            "" => Ok(usual),
            word => word.parse().map_err(Error::bad_request),
        }
    }

    /// What came of sending all back, when that was just done.
    fn notice(&self) -> Option<Notice> {
        let refused = match self.refused.unwrap_or(0) {
            0 => String::new(),
            refused => format!(" {refused} are no jobs, and can only be discarded."),
        };
        self.retried.map(|sent| Notice::good(format!("Sent back: {sent}.{refused}")))
    }

    fn asked(self, state: JobState) -> Asked {
        Asked { queue: Some(self.queue), state: Some(state), after: self.after, limit: None }
    }
}

/// Shows the jobs of a queue and a state.
///
/// # Errors
/// When the queue or the state is none, or the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(filters): Query<Filters>,
) -> Result<Response> {
    let names = names(&state).await?;
    let chosen = filters.state_or(JobState::Done)?;
    let (queue, first) = (filters.queue.clone(), filters.after.is_none());
    let base = |after: &str| {
        let parameters = [("queue", queue.as_str()), ("state", chosen.as_str()), ("after", after)];
        address("/admin/jobs", &parameters)
    };
    let notice = filters.notice();
    let order = if chosen.is_over() { Order::Age } else { Order::Turn };
    let Page { items, next } = jobs::page(&state, filters.asked(chosen)).await?;
    let shown = |name: &&String| (queue.is_empty() || **name == queue) && is_word(name);
    let topics = names.iter().filter(shown);
    page::private(&JobsPage {
        layout: frame.layout_with(notice).await?,
        nav: nav(&state).await?,
        topics: topics.map(|name| Topic::jobs(name).to_string()).collect(),
        queues: queue_filters(&names, &queue, chosen),
        states: state_filters(&queue, chosen),
        pager: Pager { order, ..pager(first, next, base) },
        state: chosen.as_str().to_owned(),
        jobs: items.into_iter().map(row).collect(),
        periodic: periodic::rows(&state).await?,
        queue,
    })
}

/// The queues to choose from: those of the file, and others that NATS holds jobs
/// of, when it is there.
async fn names(state: &AppState) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = queues::read(state).await?.queues.into_keys().collect();
    names.extend(state.bus.jobs_by_queue().await.unwrap_or_default().into_keys());
    Ok(names.into_iter().collect())
}

fn queue_filters(names: &[String], chosen: &str, state: JobState) -> Vec<Filter> {
    let href = |queue: &str| address("/admin/jobs", &[("queue", queue), ("state", state.as_str())]);
    let mut filters = vec![filter("any queue", href(""), chosen.is_empty(), None)];
    filters.extend(names.iter().map(|name| filter(name, href(name), name == chosen, None)));
    filters
}

fn state_filters(queue: &str, chosen: JobState) -> Vec<Filter> {
    let one = |state: JobState| {
        let href = address("/admin/jobs", &[("queue", queue), ("state", state.as_str())]);
        filter(state.as_str(), href, state == chosen, None)
    };
    JobState::ALL.into_iter().map(one).collect()
}

/// A job as lists show it.
#[must_use]
pub fn row(job: Listed) -> JobRow {
    let created = when(job.made());
    JobRow {
        id: job.id,
        queue: job.queue,
        kind: job.kind,
        state: job.state.to_string(),
        attempt: job.attempt,
        created,
        updated: when(job.at),
        error: job.reason.as_deref().and_then(|reason| reason.lines().next()).map(str::to_owned),
    }
}

/// `GET /admin/jobs/{id}`; one that was sent back is shown as what it is now.
///
/// # Errors
/// When there is no such job.
pub async fn one(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(id): Path<String>,
) -> Result<Response> {
    if let Some(retried) = job_rows::retried(&state.data, id.clone()).await? {
        return Ok(Redirect::to(&format!("/admin/jobs/{}", retried.retried_as)).into_response());
    }
    let detail = jobs::find(&state, &id).await?;
    let queues = queues::read(&state).await?.queues;
    let max = queues.get(&detail.job.queue).and_then(|queue| u32::try_from(queue.attempts).ok());
    page::private(&shown(detail, max, &frame, &state).await?)
}

async fn shown(
    detail: Detail,
    max_attempts: Option<u32>,
    frame: &Frame,
    state: &AppState,
) -> Result<JobPage> {
    let dead = detail.job.state == JobState::Dead;
    let trace = trace::of(state, &detail.job).await?;
    let attempts = detail.errors.into_iter().map(|attempt| Attempt {
        number: attempt.attempt,
        time: when(attempt.at),
        error: Some(attempt.error),
    });
    let mut attempts: Vec<Attempt> = attempts.collect();
    if detail.job.state == JobState::Done {
        let (number, time) = (detail.job.attempt, when(detail.job.at));
        attempts.push(Attempt { number, time, error: None });
    }
    Ok(JobPage {
        layout: frame.layout().await?,
        nav: nav(state).await?,
        max_attempts,
        due: (detail.job.state == JobState::Scheduled).then(|| when(detail.job.at)),
        cause: Some(detail.job.cause.clone()).filter(|cause| !cause.is_empty()),
        payload: detail.body.map_or_else(
            || "A job that is done is kept without its payload.".to_owned(),
            |body| indented(&body),
        ),
        attempts,
        trace,
        can_retry: dead,
        can_discard: dead,
        can_cancel: !detail.job.state.is_over(),
        job: row(detail.job),
    })
}

/// JSON in lines; anything else as it is.
fn indented(body: &str) -> String {
    let json: std::result::Result<serde_json::Value, _> = serde_json::from_str(body);
    json.ok().and_then(|json| serde_json::to_string_pretty(&json).ok()).unwrap_or(body.to_owned())
}

/// `POST /admin/jobs/{id}/retry`.
///
/// # Errors
/// When the job is not dead, or another job holds its key.
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    overview::retry(&state.data, &state.bus, &id).await?;
    Ok(to_dead())
}

/// `POST /admin/jobs/{id}/discard`.
///
/// # Errors
/// When the job is not dead.
pub async fn discard(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    overview::discard(&state.data, &state.bus, &id).await?;
    Ok(to_dead())
}

/// `POST /admin/jobs/{id}/cancel`.
///
/// # Errors
/// When there is no such job, or it is over.
pub async fn cancel(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response> {
    let file = queues::read(&state).await?;
    overview::cancel(&state.data, &state.bus, &file, &id).await?;
    Ok(Redirect::to(&format!("/admin/jobs/{id}")).into_response())
}

fn to_dead() -> Response {
    Redirect::to("/admin/jobs?state=dead").into_response()
}

/// `POST /admin/jobs/retry`: all dead jobs of a queue, or of all.
///
/// # Errors
/// When another state or no queue is named, or the database fails.
pub async fn retry_all(
    State(state): State<AppState>,
    _: Admin,
    Form(filters): Form<Filters>,
) -> Result<Response> {
    let chosen = filters.state_or(JobState::Dead)?;
    let asked = filters.asked(chosen);
    let queue = asked.queue.clone().unwrap_or_default();
    let Replayed { retried, refused } = jobs::replay_all(&state, asked).await?;
    let (retried, refused) = (retried.to_string(), refused.to_string());
    let parameters = [
        ("queue", queue.as_str()),
        ("state", JobState::Dead.as_str()),
        ("retried", &retried),
        ("refused", &refused),
    ];
    Ok(Redirect::to(&address("/admin/jobs", &parameters)).into_response())
}

/// `POST /admin/queues/{name}/pause`.
///
/// # Errors
/// When there is no such queue, or NATS is away.
pub async fn pause(
    State(state): State<AppState>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Response> {
    queues::set_paused(&state, &name, true).await?;
    Ok(Redirect::to("/admin").into_response())
}

/// `POST /admin/queues/{name}/resume`.
///
/// # Errors
/// As [`pause`].
pub async fn resume(
    State(state): State<AppState>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Response> {
    queues::set_paused(&state, &name, false).await?;
    Ok(Redirect::to("/admin").into_response())
}
