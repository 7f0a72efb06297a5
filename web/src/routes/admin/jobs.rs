//! `GET /admin/jobs`, and the pauses of queues.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::Page;
use shared::db::jobs::{JobState, Listed, dead_by_queue};
use shared::overview::{self, Counts};
use shared::queues::Queues;
use shared::subject::{Topic, is_word};
use shared::time::Instant;

use super::super::jobs::{self, Asked};
use super::super::present::when;
use super::super::queues;
use super::{address, filter, nav, pager, periodic};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query};
use crate::page::{self, Frame};
use crate::params::Params;
use crate::state::AppState;
use crate::views::admin::Filter;
use crate::views::admin::jobs::{JobRow, JobsPage};
use crate::views::{Notice, Order, Pager};

/// The parameters of the page.
pub const PARAMS: Params =
    &["queue", "kind", "state", "after", "retried", "refused", "kept", "cancelled", "gone"];

/// The word for all states.
const ALL: &str = "all";

/// Which jobs; empty is any, and of the states the one that is worth a look.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    queue: String,
    state: String,
    kind: String,
    after: Option<String>,
    retried: Option<usize>,
    refused: Option<usize>,
    kept: Option<usize>,
    cancelled: Option<usize>,
    gone: bool,
}

impl Filters {
    /// The chosen state; none is all. When nothing is chosen the dead jobs are shown
    /// if any has failed, since those alone wait for a person; else all jobs, of which
    /// those that run and wait come first; and those that are done while NATS is away,
    /// which alone knows the others.
    fn state(&self, counts: &Counts) -> Result<Option<JobState>> {
        match self.state.as_str() {
            ALL => Ok(None),
            "" if counts.failed > 0 => Ok(Some(JobState::Dead)),
            "" if counts.stored.is_err() => Ok(Some(JobState::Done)),
            "" => Ok(None),
            word => word.parse().map(Some).map_err(Error::bad_request),
        }
    }

    /// What came of what was just done.
    fn notice(&self) -> Option<Notice> {
        let many = |count: Option<usize>| count.filter(|count| *count > 0);
        let refused = many(self.refused).map_or_else(String::new, |refused| {
            format!(
                " {refused} stay: they are no jobs, which can only be discarded, or another job \
                 holds their key."
            )
        });
        let kept = many(self.kept).map_or_else(String::new, |kept| {
            format!(" {kept} that were called off stay; each can be sent back by itself.")
        });
        if let Some(sent) = self.retried {
            return Some(Notice::good(format!("Sent back: {sent}.{refused}{kept}")));
        }
        if let Some(cancelled) = self.cancelled {
            let after = "One that runs ends when its worker or program hears of it.";
            return Some(Notice::good(format!("Called off: {cancelled}. {after}")));
        }
        let gone = "That job is no longer here: it was sent back, discarded, or forgotten.";
        self.gone.then(|| Notice::info(gone))
    }

    fn asked(&self, state: Option<JobState>) -> Asked {
        let (queue, kind) = (Some(self.queue.clone()), Some(self.kind.clone()));
        Asked { queue, kind, state, after: self.after.clone(), limit: None }
    }

    /// The address of this list with another queue, state or place.
    fn href(&self, queue: &str, state: &str, after: &str) -> String {
        let kind = self.kind.as_str();
        let parameters = [("queue", queue), ("state", state), ("kind", kind), ("after", after)];
        address("/admin/jobs", &parameters)
    }
}

fn word(state: Option<JobState>) -> &'static str {
    state.map_or(ALL, JobState::as_str)
}

/// Shows the jobs of a queue, a kind and a state.
///
/// # Errors
/// When the queue or the state is none, or the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(filters): Query<Filters>,
) -> Result<Response> {
    let file = state.queues.read().await?;
    let names = names(&state, &file).await?;
    let queue = Some(filters.queue.as_str()).filter(|queue| !queue.is_empty());
    let counts = overview::counts(&state.data, &state.bus, queue).await?;
    let chosen = filters.state(&counts)?;
    let (Page { items, next }, away) = listed(&state, filters.asked(chosen)).await?;
    let is_over = chosen.is_some_and(JobState::is_over);
    let order = if is_over { Order::Age } else { Order::Turn };
    let place = |after: &str| filters.href(&filters.queue, word(chosen), after);
    let is_asked = |name: &&String| queue.is_none_or(|queue| queue == **name) && is_word(name);
    page::private(&JobsPage {
        layout: frame.layout_with(filters.notice().or(away)).await?,
        nav: nav(&state).await?,
        topics: names.iter().filter(is_asked).map(|name| Topic::jobs(name).to_string()).collect(),
        queues: queue_filters(&names, &filters),
        states: state_filters(&filters, chosen, &counts),
        pager: Pager { order, ..pager(filters.after.is_none(), next, place) },
        state: chosen,
        jobs: items.into_iter().map(|job| limited(job, &file)).collect(),
        any_kind: Filters { kind: String::new(), ..Filters::default() }.href(
            &filters.queue,
            word(chosen),
            "",
        ),
        periodic: periodic::rows(&state).await?,
        queue: filters.queue,
        kind: filters.kind,
    })
}

/// The jobs; or, where NATS alone knows them and is away, why there are none.
async fn listed(state: &AppState, asked: Asked) -> Result<(Page<Listed>, Option<Notice>)> {
    match jobs::page(state, asked).await {
        Ok(page) => Ok((page, None)),
        Err(Error::Unavailable(why)) => {
            let why = format!("Jobs that run or wait cannot be listed now: {why}.");
            Ok((Page { items: Vec::new(), next: None }, Some(Notice::error(why))))
        }
        Err(error) => Err(error),
    }
}

/// The queues to choose from: those of the file, those that have dead jobs, and
/// others that NATS holds jobs of, when it is there.
async fn names(state: &AppState, file: &Queues) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = file.queues.keys().cloned().collect();
    names.extend(dead_by_queue(&state.data).await?.into_iter().map(|(name, _)| name));
    names.extend(state.bus.jobs_by_queue().await.unwrap_or_default().into_keys());
    Ok(names.into_iter().collect())
}

/// Each keeps the state only where that was chosen.
fn queue_filters(names: &[String], filters: &Filters) -> Vec<Filter> {
    let href = |queue: &str| filters.href(queue, &filters.state, "");
    let mut choices = vec![filter("any queue", href(""), filters.queue.is_empty(), None)];
    let choice = |name: &String| filter(name, href(name), *name == filters.queue, None);
    choices.extend(names.iter().map(choice));
    choices
}

/// Of a kind alone it is not counted how many there are.
fn state_filters(filters: &Filters, chosen: Option<JobState>, counts: &Counts) -> Vec<Filter> {
    let stored = counts.stored.as_ref().ok();
    let count = |state: Option<JobState>| match state? {
        JobState::Queued => stored.map(|(waits, _)| waits + counts.unsent),
        JobState::Running => stored.map(|(_, runs)| *runs),
        JobState::Scheduled => Some(counts.scheduled),
        JobState::Done => Some(counts.done),
        JobState::Dead => Some(counts.dead),
    };
    let one = |state: Option<JobState>| {
        let href = filters.href(&filters.queue, word(state), "");
        let count = count(state).filter(|_| filters.kind.is_empty());
        let within = (state == Some(JobState::Done)).then_some("in 24 h");
        Filter { within, ..filter(word(state), href, state == chosen, count) }
    };
    std::iter::once(None).chain(JobState::ALL.map(Some)).map(one).collect()
}

fn limited(job: Listed, file: &Queues) -> JobRow {
    let queue = file.queues.get(&job.queue);
    let max_attempts = queue.and_then(|queue| u32::try_from(queue.attempts).ok());
    row(job, max_attempts)
}

/// A job as lists show it.
#[must_use]
pub fn row(job: Listed, max_attempts: Option<u32>) -> JobRow {
    let now = when(Instant::now());
    JobRow {
        tries: job.tries(),
        is_cancelled: job.is_cancelled(),
        max_attempts,
        snoozes: job.snoozes,
        id: job.id,
        queue: job.queue,
        kind: job.kind,
        state: job.state,
        created: when(job.made),
        updated: when(job.at),
        due_in: job.run_at.map(|due| now.until(&when(due))),
        error: job.reason.as_deref().and_then(|reason| reason.lines().next()).map(str::to_owned),
    }
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
