//! The periodic jobs, as the page of jobs shows them.

use shared::overview::{self, PeriodicView};

use super::super::present::when;
use crate::error::Result;
use crate::state::AppState;
use crate::views::admin::periodic::PeriodicRow;

/// The periodic jobs of the file, by name.
///
/// # Errors
/// When the database fails, or the file of queues cannot be used.
pub async fn rows(state: &AppState) -> Result<Vec<PeriodicRow>> {
    let items = overview::periodic(&state.data, &state.queues.read().await?).await?;
    Ok(items.into_iter().map(row).collect())
}

fn row(job: PeriodicView) -> PeriodicRow {
    PeriodicRow {
        name: job.name,
        queue: job.queue,
        schedule: job.schedule.to_string(),
        next: job.next.map(when),
        last: job.last.map(when),
        last_job: job.last_job.map(|id| id.to_string()),
    }
}
