//! The admin's pages, a file a noun.

pub mod alerts;
pub mod backups;
pub mod comments;
pub mod dashboard;
pub mod images;
pub mod job;
pub mod job_bulk;
pub mod jobs;
mod periodic;
pub mod posts;
pub mod settings;
mod trace;

use shared::db::{alerts as alert_rows, comments as comment_rows, jobs as job_rows};
use shared::time::Instant;

use super::present::count;
use crate::error::Result;
use crate::state::AppState;
use crate::views::admin::{AdminNav, Filter};
use crate::views::{Pager, query_value};

/// The badges of the navigation.
///
/// # Errors
/// When the database fails.
pub async fn nav(state: &AppState) -> Result<AdminNav> {
    let failed = job_rows::dead_by_failure(&state.data).await?;
    let midnight = midnight();
    let alerts = alert_rows::raised_since(&state.data, midnight).await?;
    Ok(AdminNav {
        pending_comments: count(comment_rows::waiting(&state.data).await?),
        dead_jobs: count(failed.into_iter().map(|(_, failed)| failed).sum()),
        open_alerts: count(alerts),
    })
}

/// When this day began, in UTC.
#[must_use]
pub fn midnight() -> Instant {
    const DAY_MS: i64 = 86_400_000;
    Instant::from_millis(Instant::now().millis().div_euclid(DAY_MS) * DAY_MS)
}

/// An address with these parameters; empty ones are left out.
#[must_use]
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", query_value(value)))
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The pages around one of a list, whose addresses `page` makes of a cursor: the
/// first one when this is another, and the next one.
#[must_use]
pub fn pager(is_first: bool, next: Option<String>, page: impl Fn(&str) -> String) -> Pager {
    let newer = (!is_first).then(|| page(""));
    Pager { newer, older: next.map(|next| page(&next)), ..Pager::default() }
}

/// A choice of a filter.
#[must_use]
pub fn filter(label: &str, href: String, current: bool, count: Option<u64>) -> Filter {
    Filter { label: label.to_owned(), href, count, within: None, current }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_names_only_what_is_chosen() {
        assert_eq!(
            address("/admin/jobs", &[("queue", ""), ("state", "dead")]),
            "/admin/jobs?state=dead"
        );
        assert_eq!(address("/admin", &[("a", "")]), "/admin");
    }
}
