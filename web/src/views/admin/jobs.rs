//! The panel over every worker.

use askama::Template;

use super::periodic::PeriodicRow;
use super::{AdminNav, Filter};
use crate::views::{Layout, Pager, When};

/// `GET /admin/jobs?queue=&state=`. Topics: `jobs.<queue>`.
#[derive(Debug, Template)]
#[template(path = "admin/jobs.html")]
pub struct JobsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// Any queue, then each queue.
    pub queues: Vec<Filter>,
    /// Any state, queued, running, scheduled, done, dead.
    pub states: Vec<Filter>,
    /// The chosen queue; empty for any.
    pub queue: String,
    /// The chosen state; empty for any.
    pub state: String,
    /// Topics that tell of a change in this list.
    pub topics: Vec<String>,
    /// Newest first when they are over, else in their order.
    pub jobs: Vec<JobRow>,
    /// The pages around this one.
    pub pager: Pager,
    /// The jobs that are sent again and again.
    pub periodic: Vec<PeriodicRow>,
}

impl JobsPage {
    /// Whether all that is shown can be retried at once, which posts `queue` and
    /// `state=dead` to `/admin/jobs/retry`.
    #[must_use]
    pub fn bulk(&self) -> bool {
        self.state == "dead" && !self.jobs.is_empty()
    }
}

/// A job in a list.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// `queued`, `running`, `scheduled`, `done`, `dead`, `discarded`,
    /// `cancelled`.
    pub state: String,
    /// Attempts so far.
    pub attempt: u32,
    /// When it was made.
    pub created: When,
    /// When it changed last.
    pub updated: When,
    /// The first line of its last error.
    pub error: Option<String>,
}

/// `GET /admin/jobs/{id}`. Posts to `/admin/jobs/{id}/retry`, `…/discard`,
/// `…/cancel`. Topic: `jobs.<queue>`.
#[derive(Debug, Template)]
#[template(path = "admin/job.html")]
pub struct JobPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The job.
    pub job: JobRow,
    /// Attempts that it may have, if its queue limits them.
    pub max_attempts: Option<u32>,
    /// When it is due, if later than made.
    pub due: Option<When>,
    /// The id of what led to it.
    pub cause: Option<String>,
    /// Its payload as indented JSON.
    pub payload: String,
    /// Oldest first.
    pub attempts: Vec<Attempt>,
    /// What has the same origin, oldest first, this job included.
    pub trace: Vec<TraceStep>,
    /// Whether it can be tried again.
    pub can_retry: bool,
    /// Whether it can be laid aside for good.
    pub can_discard: bool,
    /// Whether it can be called off before it starts.
    pub can_cancel: bool,
}

/// One try of a job.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it ended.
    pub time: When,
    /// Every line of its error; none if it went well.
    pub error: Option<String>,
}

/// A link of the chain from request to event.
#[derive(Debug, Clone)]
pub struct TraceStep {
    /// The id of the job or event.
    pub id: String,
    /// `request`, `job` or `event`.
    pub what: String,
    /// Its kind, e.g. `comment.check`.
    pub kind: String,
    /// When it was made.
    pub time: When,
    /// Steps from the origin, for indentation; shown up to 6.
    pub depth: u32,
    /// Its state, for jobs.
    pub state: Option<String>,
    /// Whether it is the job of this page.
    pub current: bool,
}
