//! `deploy/queues.yml`: every queue, and how its jobs are run.

mod bounds;
pub mod last;
mod read;
mod schedule;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use bounds::{CONCURRENCY_MAX, Pause};
pub use schedule::{Cron, Schedule};

use crate::jobs::enqueue::Priority;
use crate::subject::{JobAddress, Topic};

pub(crate) use read::unknown;

/// All queues, by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queues {
    /// The queues.
    pub queues: BTreeMap<String, Queue>,
    /// Jobs that are sent again and again, by name.
    #[serde(default)]
    pub periodic: BTreeMap<String, Periodic>,
}

/// Where a queue's jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Beside `data.db`: the effect is a transaction.
    Data,
    /// Anywhere: objects in, objects out.
    Compute,
    /// In a program that is not ours: see `docs/jobs.md`.
    External,
}

impl Role {
    /// The word used in the file and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Compute => "compute",
            Self::External => "external",
        }
    }
}

/// How the jobs of one queue are run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Where they run.
    pub role: Role,
    /// How many run at once: the sum of their costs, where a usual job costs 1.
    #[serde(default = "one", deserialize_with = "bounds::concurrency")]
    pub concurrency: usize,
    /// How many messages share a transaction at most.
    #[serde(default = "one", deserialize_with = "bounds::batch")]
    pub batch: usize,
    /// How long the first message of a batch waits for others.
    #[serde(default, deserialize_with = "bounds::linger")]
    pub linger: Duration,
    /// How long one attempt may take.
    #[serde(deserialize_with = "bounds::within_a_day")]
    pub timeout: Duration,
    /// How often a job is tried before it is dead.
    #[serde(deserialize_with = "bounds::attempts")]
    pub attempts: usize,
    /// The pause before the second attempt; it doubles with each.
    #[serde(deserialize_with = "bounds::pause")]
    pub backoff: Duration,
    /// The longest pause.
    #[serde(default = "ten_minutes", deserialize_with = "bounds::pause")]
    pub backoff_max: Duration,
    /// How many are begun in a time; no limit when there is none.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Whether no job is begun.
    #[serde(default)]
    pub paused: bool,
    /// Where the results of its jobs go.
    #[serde(default)]
    pub results: Vec<Destination>,
}

impl Queue {
    /// The pause after the failed try `tries` (from 1), without jitter.
    #[must_use]
    pub fn pause(&self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1).min(20));
        self.backoff.saturating_mul(doubled).min(self.backoff_max)
    }
}

/// How many jobs a process begins in a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many.
    #[serde(deserialize_with = "bounds::limit")]
    pub limit: usize,
    /// In this time.
    #[serde(deserialize_with = "bounds::within_a_day")]
    pub per: Duration,
    /// A field of the payload, each value of which has a limit of its own; one
    /// limit for all when there is none.
    #[serde(default)]
    pub by: Option<String>,
}

/// A job that is sent again and again.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "read::Written")]
pub struct Periodic {
    /// The queue that takes it.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Its payload: none is an empty object.
    pub payload: serde_json::Value,
    /// When it is due.
    pub schedule: Schedule,
    /// Which of the jobs of its queue goes first.
    pub priority: Priority,
    /// While another job of its queue holds this key, it is not sent.
    pub unique_key: Option<String>,
}

/// Where a result goes: to the next queue, or to all who watch a topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Destination {
    /// `jobs.<queue>.<kind>`: it is the payload of a job.
    Job {
        /// The queue.
        queue: String,
        /// The kind.
        kind: String,
    },
    /// `events.<topic>`: it is the payload of an event.
    Event(Topic),
}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = JobAddress::parse(&text).filter(|it| it.packed.is_none());
        if let Some(JobAddress { queue, kind, priority: Priority::Normal, .. }) = address {
            return Ok(Self::Job { queue: queue.to_owned(), kind: kind.to_owned() });
        }
        let topic = text.strip_prefix("events.").and_then(|topic| topic.parse().ok());
        topic.map(Self::Event).ok_or_else(|| {
            format!("{text:?} is no destination; it takes jobs.<queue>.<kind> or events.<topic>")
        })
    }
}

fn one() -> usize {
    1
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

/// A file that cannot be used, with the line at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", .path.display())]
pub struct BadFile {
    path: PathBuf,
    problem: String,
}
