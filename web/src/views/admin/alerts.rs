//! What needs a person.

use askama::Template;

use super::{AdminNav, Filter};
use crate::views::{Layout, Pager, Tone, When};

/// `GET /admin/alerts`. Topics: `alerts.errors`, `alerts.warnings`,
/// `alerts.load`.
#[derive(Debug, Template)]
#[template(path = "admin/alerts.html")]
pub struct AlertsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// All, errors, warnings, load.
    pub filters: Vec<Filter>,
    /// Newest first.
    pub alerts: Vec<Alert>,
    /// Newer and older alerts.
    pub pager: Pager,
}

/// Something that went wrong or is about to.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Error, warning, or (for load) info.
    pub tone: Tone,
    /// When it happened, the last time.
    pub time: When,
    /// How often.
    pub times: u64,
    /// Where: a binary, a queue, a tier.
    pub source: String,
    /// What, in a sentence.
    pub text: String,
    /// Where to look, e.g. `/admin/jobs/{id}`.
    pub href: Option<String>,
}
