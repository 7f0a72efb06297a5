//! The periodic jobs, below the list of jobs.

use crate::views::When;

/// A job that is sent again and again.
#[derive(Debug, Clone)]
pub struct PeriodicRow {
    /// Its name.
    pub name: String,
    /// The queue that takes it.
    pub queue: String,
    /// When it is due, in words.
    pub schedule: String,
    /// When it is due next.
    pub next: Option<When>,
    /// When it was sent last.
    pub last: Option<When>,
    /// The job that was sent then.
    pub last_job: Option<String>,
}
