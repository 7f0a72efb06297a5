//! `GET /admin/backups`, and running a tier.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::backups::schedule::{self, Task};
use shared::db::backups::{self, Run};
use shared::time::Instant;

use super::super::backups::request;
use super::super::present::{count, when};
use super::{address, nav, pager};
use crate::auth::Admin;
use crate::error::Result;
use crate::extract::{Path, Query, after_id};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::Bytes;
use crate::views::admin::backups::{BackupRun, BackupsPage, Tier};

/// Runs of one page.
const PAGE: usize = 30;

/// Where the list goes on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    after: Option<String>,
}

/// Shows the tiers and their runs.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let first = asked.after.is_none();
    let found = backups::list(&state.data, None, after_id(asked.after)?, PAGE).await?;
    let base = |after: &str| address("/admin/backups", &[("after", after)]);
    page::private(&BackupsPage {
        layout: frame.layout().await?,
        nav: nav(&state).await?,
        tiers: tiers(&state).await?,
        runs: found.items.into_iter().map(shown).collect(),
        pager: pager(first, found.next, base),
    })
}

/// Each tier with its schedule and its last run.
///
/// # Errors
/// When the database fails.
pub async fn tiers(state: &AppState) -> Result<Vec<Tier>> {
    let tasks = schedule::list(&state.data).await?;
    let mut tiers = Vec::new();
    for tier in backups::Tier::OLDEST_FIRST.into_iter().rev() {
        let task = tasks.iter().find(|task| task.task == tier.task());
        let last = backups::list(&state.data, Some(tier.to_string()), None, 1).await?;
        let last = last.items.into_iter().next().map(shown);
        let running = last.as_ref().is_some_and(|run| run.finished.is_none());
        tiers.push(Tier {
            name: tier.to_string(),
            schedule: words(tier).to_owned(),
            next: task.and_then(|task| task.due_at).map(when),
            last,
            busy: running || task.is_some_and(is_due),
        });
    }
    Ok(tiers)
}

fn words(tier: backups::Tier) -> &'static str {
    match tier {
        backups::Tier::Daily => "every night",
        backups::Tier::Weekly => "every 7 nights, from daily",
        backups::Tier::Biweekly => "every 14 nights, from 1-week",
    }
}

fn is_due(task: &Task) -> bool {
    task.due_at.is_some_and(|due| due <= Instant::now())
}

fn shown(run: Run) -> BackupRun {
    BackupRun {
        id: run.id,
        tier: run.tier,
        started: when(run.started),
        finished: run.finished.map(when),
        objects: count(run.tally.objects),
        bytes: Bytes(count(run.tally.bytes)),
        copied: count(run.tally.copied),
        deleted: count(run.tally.deleted),
        verified: count(run.tally.verified),
        drill: run.drill,
        error: run.error,
    }
}

/// `POST /admin/backups/{tier}/run`.
///
/// # Errors
/// When there is no such tier.
pub async fn run(
    State(state): State<AppState>,
    _: Admin,
    Path(tier): Path<String>,
) -> Result<Response> {
    request(&state, &tier).await?;
    Ok(Redirect::to("/admin/backups").into_response())
}
