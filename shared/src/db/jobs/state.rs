//! How far a job is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits.
    Queued,
    /// A worker has it.
    Running,
    /// Its time has not come.
    Scheduled,
    /// It is done.
    Done,
    /// It gave up.
    Dead,
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state; it takes queued, running, scheduled, done or dead")]
pub struct BadState(String);

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Scheduled, Self::Done, Self::Dead];

    /// The word used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Scheduled => "scheduled",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// Whether the job has ended.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Dead)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = BadState;

    fn from_str(word: &str) -> Result<Self, BadState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| BadState(word.to_owned()))
    }
}
