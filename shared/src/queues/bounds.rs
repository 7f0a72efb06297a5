//! What a value of the file may be: beyond it, it would be a slip of the pen.
//! `deploy/queues.schema.json` says the same.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::jobs::enqueue::Priority;
use crate::subject;

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The whole numbers from one to another.
struct Count(RangeInclusive<usize>);

impl Count {
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<usize, D::Error> {
        let number = usize::deserialize(deserializer)?;
        let (least, most) = (self.0.start(), self.0.end());
        if self.0.contains(&number) {
            return Ok(number);
        }
        let wrong = if number < *least { "few" } else { "many" };
        Err(D::Error::custom(format!("{number} is too {wrong}; it takes {least} to {most}")))
    }
}

/// The spans from one to another.
struct Span(RangeInclusive<Duration>);

impl Span {
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = text.parse::<jiff::SignedDuration>().ok();
        let span = span.and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no duration; it takes one such as 500ms, 30s or 5m"
            ))
        })?;
        if self.0.contains(&span) {
            return Ok(span);
        }
        let wrong = if span < *self.0.start() { "short" } else { "long" };
        Err(D::Error::custom(format!("{text:?} is too {wrong}; it takes {self}")))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |span: Duration| match span.as_secs() {
            0 => format!("{}ms", span.as_millis()),
            secs if secs % 3600 == 0 => format!("{}h", secs / 3600),
            secs => format!("{secs}s"),
        };
        write!(f, "{} to {}", word(*self.0.start()), word(*self.0.end()))
    }
}

/// A process holds a task for each job that it runs at once, and the server hands
/// out 2,000 messages of a queue at once at most.
pub const CONCURRENCY_MAX: usize = 1000;

pub(super) fn concurrency<'de, D: Deserializer<'de>>(it: D) -> Result<usize, D::Error> {
    Count(1..=CONCURRENCY_MAX).read(it)
}

/// They share a transaction, and each may be a pack.
pub(super) fn batch<'de, D: Deserializer<'de>>(it: D) -> Result<usize, D::Error> {
    Count(1..=1000).read(it)
}

pub(super) fn attempts<'de, D: Deserializer<'de>>(it: D) -> Result<usize, D::Error> {
    Count(1..=100).read(it)
}

pub(super) fn limit<'de, D: Deserializer<'de>>(it: D) -> Result<usize, D::Error> {
    Count(1..=1_000_000).read(it)
}

/// A message that nobody speaks of for 10 s is delivered again.
pub(super) fn linger<'de, D: Deserializer<'de>>(it: D) -> Result<Duration, D::Error> {
    Span(Duration::ZERO..=Duration::from_secs(5)).read(it)
}

/// Of an attempt, and of a rate.
pub(super) fn within_a_day<'de, D: Deserializer<'de>>(it: D) -> Result<Duration, D::Error> {
    Span(MS..=DAY).read(it)
}

/// A job that waits longer for its next attempt is as good as dead, and unseen.
pub(super) fn pause<'de, D: Deserializer<'de>>(it: D) -> Result<Duration, D::Error> {
    Span(MS..=DAY * 7).read(it)
}

/// The pause before a job comes again, as text such as `30s`: 1 ms to a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause(pub Duration);

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pause(deserializer).map(Self)
    }
}

impl Serialize for Pause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = jiff::SignedDuration::try_from(self.0).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&format_args!("{span:#}"))
    }
}

/// The clock of periodic jobs is looked at once a second.
pub(super) fn every<'de, D: Deserializer<'de>>(it: D) -> Result<Option<Duration>, D::Error> {
    Span(Duration::from_secs(1)..=DAY * 366).read(it).map(Some)
}

/// Why no queue can have that name: its consumer would have that of another
/// queue's priority.
pub(super) fn clash(name: &str) -> Option<String> {
    let taken = |priority: &Priority| {
        let short = name.strip_suffix(priority.as_str())?.strip_suffix('-')?;
        (subject::consumer(short, *priority) == name).then(|| short.to_owned())
    };
    let of = Priority::ALL.iter().find_map(taken)?;
    Some(format!(
        "the name of a queue must not end in -high or -low: {name:?} is the consumer of the \
         jobs of a queue {of:?} that have that priority"
    ))
}
