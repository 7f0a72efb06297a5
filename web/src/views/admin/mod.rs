//! The admin panel.

pub mod alerts;
pub mod backups;
pub mod comments;
pub mod dashboard;
pub mod images;
pub mod jobs;
pub mod periodic;
pub mod posts;
pub mod settings;

/// The badges of the admin's navigation.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdminNav {
    /// Comments that wait for a decision.
    pub pending_comments: u64,
    /// Jobs that gave up.
    pub dead_jobs: u64,
    /// Alerts nobody has settled.
    pub open_alerts: u64,
}

/// One choice of a filter, as a link that keeps the other filters.
#[derive(Debug, Clone)]
pub struct Filter {
    /// What it is called.
    pub label: String,
    /// A ready address.
    pub href: String,
    /// How many it would show, if known.
    pub count: Option<u64>,
    /// Within which time they are counted, if not all are.
    pub within: Option<&'static str>,
    /// Whether it is chosen.
    pub current: bool,
}
