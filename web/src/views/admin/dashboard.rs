//! The first page of the admin panel: how the site is, now.

use askama::Template;

use super::AdminNav;
use super::alerts::Alert;
use super::backups::Tier;
use super::jobs::JobRow;
use crate::views::Layout;

/// `GET /admin`. Topics: `metrics.live`, `metrics.views`, `jobs.<queue>` of
/// each queue, `alerts.errors`, `alerts.warnings`, `backups.<tier>`.
#[derive(Debug, Template)]
#[template(path = "admin/dashboard.html")]
pub struct DashboardPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// Page views since midnight UTC.
    pub views_today: u64,
    /// Page views ever, as `metrics.views` counts them.
    pub views_all: u64,
    /// Visitors since midnight UTC.
    pub visitors_today: u64,
    /// Visitors ever, as `metrics.views` counts them.
    pub visitors_all: u64,
    /// Readers now.
    pub readers: u32,
    /// Every queue, by name.
    pub queues: Vec<QueueRow>,
    /// Why the queues' live figures are missing, e.g. NATS is down.
    pub queues_error: Option<String>,
    /// The newest dead jobs.
    pub dead: Vec<JobRow>,
    /// The newest alerts.
    pub alerts: Vec<Alert>,
    /// Each tier with its last run.
    pub tiers: Vec<Tier>,
    /// Posts with the most views today.
    pub top: Vec<TopPost>,
}

/// One queue, now. Posts to `/admin/queues/{name}/pause` and `…/resume`.
#[derive(Debug, Clone)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// Whether the file of queues has it.
    pub listed: bool,
    /// Whether somebody takes its jobs, as far as is known.
    pub taken: bool,
    /// Jobs that wait.
    pub depth: u64,
    /// Jobs under way.
    pub in_flight: u64,
    /// Jobs done in the last day.
    pub done: u64,
    /// Jobs dead.
    pub dead: u64,
    /// Age of the oldest waiting job, in words.
    pub oldest: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
}

/// A post that is read.
#[derive(Debug, Clone)]
pub struct TopPost {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Page views, as `metrics.views.<slug>` counts them.
    pub views: u64,
    /// Visitors, as `metrics.views.<slug>` counts them.
    pub visitors: u64,
    /// Readers now.
    pub readers: u32,
}
