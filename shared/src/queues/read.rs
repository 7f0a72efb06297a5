//! Reads the file: a mistake is told with its line and what would be right.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{BadFile, Destination, Queues};
use crate::subject::is_word;

impl Queues {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds a mistake: with its line.
    pub fn read(path: &Path) -> Result<Self, BadFile> {
        let bad = |problem: String| BadFile { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        Self::parse(&text).map_err(bad)
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// What is wrong, with its line where that is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let queues: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        match queues.mistake() {
            Some((name, mistake)) => Err(format!("{}{name}: {mistake}", line_of(text, &name))),
            None => Ok(queues),
        }
    }

    /// The first thing that is wrong although each value is of its type.
    fn mistake(&self) -> Option<(String, String)> {
        let names = self.queues.keys().chain(self.periodic.keys());
        if let Some(name) = names.into_iter().find(|name| !is_word(name)) {
            return Some((name.clone(), "a name takes a-z, 0-9, - and _".to_owned()));
        }
        let unknown = |queue: &str| {
            let known: Vec<&str> = self.queues.keys().map(String::as_str).collect();
            format!("there is no queue {queue}; there are {}", known.join(", "))
        };
        for (name, queue) in &self.queues {
            for result in &queue.results {
                if let Destination::Job { queue, .. } = result
                    && !self.queues.contains_key(queue)
                {
                    return Some((name.clone(), unknown(queue)));
                }
            }
        }
        let lost = self.periodic.iter().find(|(_, it)| !self.queues.contains_key(&it.queue));
        lost.map(|(name, it)| (name.clone(), unknown(&it.queue)))
    }
}

/// The line where `name` is a key, as the words before a mistake.
fn line_of(text: &str, name: &str) -> String {
    let key = format!("{name}:");
    let line = text.lines().position(|line| line.trim_start().starts_with(&key));
    line.map_or_else(String::new, |line| format!("line {}: ", line + 1))
}

pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("0 is too few; it takes 1 or more")),
        number => Ok(number),
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span =
        text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| {
        D::Error::custom(format!("{text:?} is no duration; it takes one such as 500ms, 30s or 5m"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::Rate;

    const GOOD: &str =
        "queues:\n  mail:\n    role: data\n    timeout: 30s\n    attempts: 5\n    backoff: 1s\n";

    #[test]
    fn a_queue_has_defaults_and_a_doubling_pause() {
        let queues = Queues::parse(GOOD).unwrap();
        let mail = &queues.queues["mail"];
        assert_eq!((mail.concurrency, mail.batch, mail.attempts), (1, 1, 5));
        assert_eq!(mail.pause(1), Duration::from_secs(1));
        assert_eq!(mail.pause(4), Duration::from_secs(8));
        assert_eq!(mail.pause(99), mail.backoff_max);
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let error = Queues::parse(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{part} is missing in {error}");
        }
    }

    #[test]
    fn a_mistake_is_refused_with_its_line_and_what_would_be_right() {
        refused(&GOOD.replace("timeout: 30s", "timeout: soon"), &["4", "soon", "500ms"]);
        refused(&GOOD.replace("attempts: 5", "attempts: 0"), &["1 or more"]);
        refused(&GOOD.replace("backoff", "backof"), &["backof"]);
        refused(&GOOD.replace("mail:", "Mail Box:"), &["line 2", "a-z"]);
        refused(&format!("{GOOD}    results: [nowhere]\n"), &["nowhere", "jobs.<queue>.<kind>"]);
        refused(&format!("{GOOD}    results: [jobs.none.x]\n"), &["line 2", "none", "mail"]);
        let periodic = "periodic:\n  tick: {queue: none, kind: x, every: 5m}\n";
        refused(&format!("{GOOD}{periodic}"), &["line 8", "none", "mail"]);
    }

    #[test]
    fn rates_results_and_periodic_jobs_are_read() {
        let more = "    linger: 5ms\n    rate: {limit: 10, per: 1s, by: host}\n    \
                    results: [jobs.mail.next, events.blogroll]\n\
                    periodic:\n  tick: {queue: mail, kind: x, every: 5m}\n";
        let queues = Queues::parse(&format!("{GOOD}{more}")).unwrap();
        let rate = Rate { limit: 10, per: Duration::from_secs(1), by: Some("host".to_owned()) };
        assert_eq!(queues.queues["mail"].rate, Some(rate));
        assert_eq!(queues.queues["mail"].results.len(), 2);
        assert_eq!(queues.periodic["tick"].every, Duration::from_secs(300));
    }
}
