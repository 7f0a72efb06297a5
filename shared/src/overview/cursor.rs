//! Where a list of jobs goes on.

use std::fmt;
use std::str::FromStr;

use crate::bus::waiting::Place;
use crate::db::jobs::JobState;

/// Where a list of jobs goes on. Clients give back what they got as `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Among those that a worker has.
    Running(Place),
    /// Among those that are due and not sent yet, after that place of the outbox.
    Unsent(i64),
    /// Among those that wait in the stream.
    Queued(Place),
    /// After the one that is due then, at that place of the outbox.
    Scheduled(i64, i64),
    /// After the one that ended then, and has that id.
    Over(i64, String),
}

/// A cursor that no list gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after takes `next` of the page before; got {0:?}")]
pub struct BadCursor(String);

impl Cursor {
    /// Where a list of all jobs begins.
    pub(super) const START: Self = Self::Running(Place { message: 0, part: 0 });

    /// Whether a list of the state `state`, or of all, can go on there.
    #[must_use]
    pub fn fits(&self, state: Option<JobState>) -> bool {
        match state {
            None => true,
            Some(JobState::Running) => matches!(self, Self::Running(_)),
            Some(JobState::Queued) => matches!(self, Self::Unsent(_) | Self::Queued(_)),
            Some(JobState::Scheduled) => matches!(self, Self::Scheduled(..)),
            Some(JobState::Done | JobState::Dead) => matches!(self, Self::Over(..)),
        }
    }

    /// Where a list of the state `state`, or of all, begins.
    pub(super) fn first(state: Option<JobState>) -> Self {
        match state {
            None | Some(JobState::Running) => Self::START,
            Some(JobState::Queued) => Self::Unsent(0),
            Some(JobState::Scheduled) => Self::Scheduled(0, 0),
            Some(JobState::Done | JobState::Dead) => Self::Over(i64::MAX, String::new()),
        }
    }

    /// Where a list of the state `state`, or of all, goes on when this part of it
    /// has come to its end.
    pub(super) fn following(&self, state: Option<JobState>) -> Option<Self> {
        let next = match self {
            Self::Running(_) => Self::Unsent(0),
            Self::Unsent(_) => Self::Queued(Place::default()),
            Self::Queued(_) => Self::first(Some(JobState::Scheduled)),
            Self::Scheduled(..) => Self::first(Some(JobState::Done)),
            Self::Over(..) => return None,
        };
        next.fits(state).then_some(next)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(Place { message, part }) => write!(f, "running_{message}_{part}"),
            Self::Unsent(seq) => write!(f, "unsent_{seq}"),
            Self::Queued(Place { message, part }) => write!(f, "queued_{message}_{part}"),
            Self::Scheduled(due, seq) => write!(f, "scheduled_{due}_{seq}"),
            Self::Over(at, id) => write!(f, "{at}_{id}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let place = |text: &str| {
            let (message, part) = text.split_once('_')?;
            Some(Place { message: message.parse().ok()?, part: part.parse().ok()? })
        };
        let numbers = |text: &str| {
            let (due, seq) = text.split_once('_')?;
            Some((due.parse().ok()?, seq.parse().ok()?))
        };
        let read = match text.split_once('_') {
            Some(("running", rest)) => place(rest).map(Self::Running),
            Some(("unsent", seq)) => seq.parse().ok().map(Self::Unsent),
            Some(("queued", rest)) => place(rest).map(Self::Queued),
            Some(("scheduled", rest)) => numbers(rest).map(|(due, seq)| Self::Scheduled(due, seq)),
            Some((at, id)) => at.parse().ok().map(|at| Self::Over(at, id.to_owned())),
            None => None,
        };
        read.ok_or_else(|| BadCursor(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_list_is_one_that_the_list_gave() {
        let place = Place { message: 7, part: 3 };
        let id = "0198f3a1-0000-7000-8000-000000000001".to_owned();
        for cursor in [
            Cursor::Running(place),
            Cursor::Unsent(9),
            Cursor::Queued(place),
            Cursor::Scheduled(1_700_000_000_000, 9),
            Cursor::Over(1_700_000_000_000, id),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "2", "x_y", "queued_1", "queued_x_1", "running_-1_0", "scheduled_1_y"] {
            let error = text.parse::<Cursor>().unwrap_err().to_string();
            assert!(error.starts_with("after takes"), "{error}");
        }
    }
}
