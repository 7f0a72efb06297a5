//! `GET /admin`: how the site is, now.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use shared::db::{alerts, jobs as job_rows, views};
use shared::overview::QueueView;

use super::super::present::{count, readers};
use super::super::{posts, queues};
use super::{alerts as alert_page, backups, jobs, midnight, nav};
use crate::auth::Admin;
use crate::error::Result;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::admin::dashboard::{DashboardPage, QueueRow, TopPost};
use crate::views::text;

/// Dead jobs and alerts that are shown.
const NEWEST: usize = 5;
/// Posts that are shown.
const TOP: usize = 8;
/// Paths among which the most read posts are looked for.
const PATHS: usize = 40;

/// Shows the dashboard.
///
/// # Errors
/// When the database fails.
pub async fn page(State(state): State<AppState>, _: Admin, frame: Frame) -> Result<Response> {
    let today = views::since(&state.data, midnight()).await?;
    let ever = views::site(&state.data).await?;
    let queues = queues::all(&state).await?;
    let dead = job_rows::list(&state.data, job_rows::Which::Dead, None, None, NEWEST).await?.items;
    let raised = alerts::list(&state.data, None, None, NEWEST).await?.items;
    page::private(&DashboardPage {
        layout: frame.layout().await?,
        nav: nav(&state).await?,
        views_today: count(today.views),
        views_all: count(ever.views),
        visitors_today: count(today.visitors),
        visitors_all: count(ever.visitors),
        readers: readers(state.hub.readers()),
        queues: queues.items.into_iter().map(queue).collect(),
        queues_error: queues
            .problem
            .map(|problem| format!("The queues' figures are missing: {problem}")),
        dead: dead.into_iter().map(|job| jobs::row(job, None)).collect(),
        alerts: raised.into_iter().map(alert_page::shown).collect(),
        tiers: backups::tiers(&state).await?,
        top: top(&state).await?,
    })
}

fn queue(queue: QueueView) -> QueueRow {
    let age = |ms| {
        text::span(jiff::SignedDuration::try_from(Duration::from_millis(ms)).unwrap_or_default())
    };
    QueueRow {
        name: queue.name,
        listed: queue.listed,
        taken: queue.taken.unwrap_or(true),
        depth: queue.depth.unwrap_or(0),
        in_flight: queue.in_flight.unwrap_or(0),
        done: count(queue.done),
        dead: count(queue.dead),
        oldest: queue.oldest_ms.map(age),
        paused: queue.paused.unwrap_or(false),
    }
}

async fn top(state: &AppState) -> Result<Vec<TopPost>> {
    let paths = views::top_pages(&state.data, midnight(), PATHS).await?;
    let slugs = paths.iter().filter_map(|row| row.name.strip_prefix("/posts/"));
    let slugs: Vec<String> = slugs.map(str::to_owned).take(TOP).collect();
    let titles = posts::titles(state, &slugs).await?;
    let counts = views::of_posts(&state.data, slugs.clone()).await?;
    let post = |slug: String| {
        let views = counts.get(&slug).copied().unwrap_or_default();
        Some(TopPost {
            title: titles.get(&slug)?.clone(),
            views: count(views.views),
            visitors: count(views.visitors),
            readers: readers(state.hub.readers_of(&slug)),
            slug,
        })
    };
    Ok(slugs.into_iter().filter_map(post).collect())
}
