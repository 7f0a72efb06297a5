//! `deploy/queues.yml`: every queue, and how its jobs are run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// All queues, by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queues {
    /// The queues.
    pub queues: BTreeMap<String, Queue>,
}

/// Where a queue's jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Beside `data.db`: the effect is a transaction.
    Data,
    /// Anywhere: objects in, objects out.
    Compute,
}

/// How the jobs of one queue are run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Where they run.
    pub role: Role,
    /// How many run at once.
    #[serde(default = "one", deserialize_with = "positive")]
    pub concurrency: usize,
    /// How many share a transaction at most.
    #[serde(default = "one", deserialize_with = "positive")]
    pub batch: usize,
    /// How long one attempt may take.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// How often a job is tried before it is dead.
    #[serde(deserialize_with = "positive")]
    pub attempts: usize,
    /// The pause before the second attempt; it doubles with each.
    #[serde(deserialize_with = "duration")]
    pub backoff: Duration,
    /// The longest pause.
    #[serde(default = "ten_minutes", deserialize_with = "duration")]
    pub backoff_max: Duration,
}

impl Queue {
    /// The pause after a failed `attempt` (from 1), without jitter.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1).min(20));
        self.backoff.saturating_mul(doubled).min(self.backoff_max)
    }
}

fn one() -> usize {
    1
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("0 is too few; it takes 1 or more")),
        number => Ok(number),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span =
        text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| {
        D::Error::custom(format!("{text:?} is no duration; it takes one such as 500ms, 30s or 5m"))
    })
}

/// A file that cannot be used, with the line at fault.
#[derive(Debug)]
pub struct BadFile {
    path: PathBuf,
    problem: String,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for BadFile {}

impl Queues {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds a mistake: with its line.
    pub fn read(path: &Path) -> Result<Self, BadFile> {
        let bad = |problem: String| BadFile { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let queues: Self = serde_saphyr::from_str(&text).map_err(|error| bad(error.to_string()))?;
        match queues.queues.keys().find(|name| !crate::subject::is_word(name)) {
            Some(name) => {
                Err(bad(format!("{name:?} is no queue's name; it takes a-z, 0-9, - and _")))
            }
            None => Ok(queues),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "queues:\n  mail:\n    role: data\n    timeout: 30s\n    attempts: 5\n    backoff: 1s\n";

    fn parse(text: &str) -> Result<Queues, BadFile> {
        let name = format!("queues-{}-{}.yml", std::process::id(), uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let queues = Queues::read(&path);
        std::fs::remove_file(&path).unwrap();
        queues
    }

    #[test]
    fn a_queue_has_defaults_and_a_doubling_pause() {
        let queues = parse(GOOD).unwrap();
        let mail = &queues.queues["mail"];
        assert_eq!((mail.concurrency, mail.batch, mail.attempts), (1, 1, 5));
        assert_eq!(mail.pause(1), Duration::from_secs(1));
        assert_eq!(mail.pause(4), Duration::from_secs(8));
        assert_eq!(mail.pause(99), mail.backoff_max);
    }

    #[test]
    fn a_mistake_is_refused_with_its_line() {
        let error = parse(&GOOD.replace("timeout: 30s", "timeout: soon")).unwrap_err().to_string();
        assert!(error.contains('4') && error.contains("soon"), "{error}");
        let error = parse(&GOOD.replace("attempts: 5", "attempts: 0")).unwrap_err().to_string();
        assert!(error.contains("1 or more"), "{error}");
        let error = parse(&GOOD.replace("backoff", "backof")).unwrap_err().to_string();
        assert!(error.contains("backof"), "{error}");
    }
}
