//! `GET /admin/alerts`.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::db::alerts;

use super::super::present::{count, when};
use super::{address, filter, nav, pager};
use crate::auth::Admin;
use crate::error::Result;
use crate::extract::{Query, after_id};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::Tone;
use crate::views::admin::alerts::{Alert, AlertsPage};

/// Alerts of one page.
const PAGE: usize = 50;
const LEVELS: [&str; 3] = ["errors", "warnings", "load"];

/// Which alerts.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    level: String,
    after: Option<String>,
}

/// Shows the alerts.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let level = LEVELS.into_iter().find(|level| *level == asked.level);
    let first = asked.after.is_none();
    let found = alerts::list(&state.data, level, after_id(asked.after)?, PAGE).await?;
    let base =
        |after: &str| address("/admin/alerts", &[("level", level.unwrap_or("")), ("after", after)]);
    let mut filters = vec![filter("all", "/admin/alerts".to_owned(), level.is_none(), None)];
    filters.extend(LEVELS.into_iter().map(|one| {
        filter(one, address("/admin/alerts", &[("level", one)]), level == Some(one), None)
    }));
    page::private(&AlertsPage {
        layout: frame.layout().await?,
        nav: nav(&state).await?,
        filters,
        pager: pager(first, found.next, base),
        alerts: found.items.into_iter().map(shown).collect(),
    })
}

/// An alert as pages show it.
#[must_use]
pub fn shown(alert: alerts::Alert) -> Alert {
    let tone = match alert.level.as_str() {
        _ if alert.resolved_at.is_some() => Tone::Info,
        "errors" => Tone::Error,
        "warnings" => Tone::Warning,
        _ => Tone::Info,
    };
    let (source, href) = place(&alert.text);
    let text = match alert.resolved_at {
        Some(over) => format!("{} (over since {})", alert.text, over.format("%Y-%m-%d %H:%M UTC")),
        None => alert.text,
    };
    let times = count(alert.times);
    Alert { tone, time: when(alert.at), times, source: source.to_owned(), text, href }
}

/// Where an alert comes from, by how its text begins.
fn place(text: &str) -> (&'static str, Option<String>) {
    let mut words = text.split(' ');
    match (words.next(), words.next()) {
        (Some("job"), Some(id)) => ("jobs", Some(format!("/admin/jobs/{id}"))),
        (Some("the"), Some("backup")) => ("backups", Some("/admin/backups".to_owned())),
        _ => ("site", None),
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn an_alert_leads_to_its_place() {
        assert_eq!(place("job 17 of queue mail is dead").1.as_deref(), Some("/admin/jobs/17"));
        assert_eq!(place("the backup daily failed: x").0, "backups");
        assert_eq!(place("the disk is nearly full"), ("site", None));
    }
}
