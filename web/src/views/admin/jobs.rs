//! The panel over every worker.

use askama::Template;

use shared::db::jobs::JobState;

use super::periodic::PeriodicRow;
use super::{AdminNav, Filter};
use crate::views::{Layout, Pager, When, query_value};

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
    /// All states, queued, running, scheduled, done, dead.
    pub states: Vec<Filter>,
    /// The chosen queue; empty for any.
    pub queue: String,
    /// The chosen state; none for all.
    pub state: Option<JobState>,
    /// The chosen kind; empty for any.
    pub kind: String,
    /// The address of this list with any kind.
    pub any_kind: String,
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
    /// What can be done with many jobs from here: its words, and the page that asks.
    #[must_use]
    pub fn bulk(&self) -> Option<(&'static str, String)> {
        if self.jobs.is_empty() {
            return None;
        }
        let asked = format!("queue={}&kind={}", query_value(&self.queue), query_value(&self.kind));
        match self.state {
            Some(JobState::Dead) if self.kind.is_empty() => {
                Some(("Retry all failed", format!("/admin/jobs/retry?{asked}")))
            }
            Some(JobState::Done | JobState::Dead) => None,
            _ if self.queue.is_empty() => None,
            _ => Some(("Cancel all", format!("/admin/jobs/cancel?{asked}"))),
        }
    }

    /// The word of the chosen state in addresses.
    #[must_use]
    pub fn state_word(&self) -> &'static str {
        self.state.map_or("all", JobState::as_str)
    }

    /// What the time of a job tells that is not when it was made.
    #[must_use]
    pub fn moment(&self) -> &'static str {
        self.state.map_or("Changed or due", moment)
    }

    /// The heading of an empty list, and what would make jobs appear in it.
    #[must_use]
    pub fn nothing(&self) -> (&'static str, &'static str) {
        match self.state {
            None => (
                "No jobs yet",
                "A job stands here when the site orders one, such as the check of a comment, or \
                 a program does through the API.",
            ),
            Some(JobState::Queued) => (
                "No job waits",
                "A job waits here from when it is due until a worker takes it. Many stay when \
                 their queue is paused or no worker runs.",
            ),
            Some(JobState::Running) => {
                ("No job runs", "A job is here while a worker has it: most take milliseconds.")
            }
            Some(JobState::Scheduled) => (
                "Nothing is to come",
                "A job ordered for a later time waits here, and so does one that failed, for its \
                 next attempt.",
            ),
            Some(JobState::Done) => ("No job is done", "A job comes here when it has ended well."),
            Some(JobState::Dead) => (
                "No job is dead",
                "A job that used up its attempts, was refused or called off is kept here for 30 \
                 days with every error, to be sent back or discarded.",
            ),
        }
    }
}

fn moment(state: JobState) -> &'static str {
    match state {
        JobState::Queued | JobState::Running => "Sent",
        JobState::Scheduled => "Due",
        JobState::Done | JobState::Dead => "Ended",
    }
}

/// `GET /admin/jobs/retry?queue=` and `GET /admin/jobs/cancel?queue=&kind=`, which
/// ask before they post to themselves.
#[derive(Debug, Template)]
#[template(path = "admin/job_bulk.html")]
pub struct JobBulkPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// What is asked.
    pub act: Bulk,
    /// The queue; empty for all.
    pub queue: String,
    /// The kind; empty for any.
    pub kind: String,
    /// How many there are now, if that is known.
    pub count: Option<u64>,
}

/// What is done with many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// Dead jobs that failed are sent back.
    Retry,
    /// Jobs that are not over are called off.
    Cancel,
}

impl JobBulkPage {
    /// Which jobs, in words, such as “3 failed jobs of the queue mail”.
    #[must_use]
    pub fn which(&self) -> String {
        let count = self.count.map_or_else(|| "all".to_owned(), |count| count.to_string());
        let state = if self.act == Bulk::Retry { "failed " } else { "" };
        let plural = if self.count == Some(1) { "" } else { "s" };
        let of = |what: &str, name: &str| match name {
            "" => String::new(),
            name => format!(" of the {what} {name}"),
        };
        let (kind, queue) = (of("kind", &self.kind), of("queue", &self.queue));
        format!("{count} {state}job{plural}{kind}{queue}")
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
    /// How far it is.
    pub state: JobState,
    /// Whether it is dead because the admin called it off.
    pub is_cancelled: bool,
    /// Attempts that count, with the one that is next or under way.
    pub tries: u32,
    /// Attempts that it may have, if its queue is known.
    pub max_attempts: Option<u32>,
    /// How often it was put off.
    pub snoozes: u32,
    /// When it was made.
    pub created: When,
    /// When it was sent, is due, or ended.
    pub updated: When,
    /// How long it is until it is due, if that is ahead.
    pub due_in: Option<String>,
    /// The first line of its last error.
    pub error: Option<String>,
}

impl JobRow {
    /// How far it is, in a word; to be called off is not to fail.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.is_cancelled { "cancelled" } else { self.state.as_str() }
    }

    /// What [`updated`](Self::updated) tells.
    #[must_use]
    pub fn moment(&self) -> &'static str {
        moment(self.state)
    }
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
    /// How it is run, as far as that is kept.
    pub run: Option<Run>,
    /// Its unique key.
    pub key: Option<Key>,
    /// The id of what led to it.
    pub cause: Option<String>,
    /// Why it died, where no attempt tells it.
    pub reason: Option<String>,
    /// What it holds.
    pub content: Content,
    /// What it made: JSON in lines.
    pub result: Option<String>,
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

impl JobPage {
    /// Whether it is a message that is no job.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        matches!(self.content, Content::Poison { .. })
    }
}

/// What its envelope says of how a job is run.
#[derive(Debug, Clone)]
pub struct Run {
    /// `high`, `normal` or `low`.
    pub priority: &'static str,
    /// What it takes of its queue's concurrency.
    pub cost: u32,
    /// The batch that it is part of.
    pub batch: Option<String>,
}

/// A unique key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Whether this job holds it.
    pub is_held: bool,
    /// The other job that holds it.
    pub other: Option<String>,
}

/// What a job holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// A job: JSON in lines.
    Job {
        /// What its kind says.
        payload: String,
        /// The payload with all that is written around it.
        envelope: String,
    },
    /// A message that is no job.
    Poison {
        /// What came.
        message: String,
        /// How that is written.
        form: &'static str,
    },
    /// It is not kept.
    Gone,
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
