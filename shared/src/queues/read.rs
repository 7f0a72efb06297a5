//! Reads the file: a mistake is told with its line and what would be right.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{BadFile, Cron, Destination, Periodic, Queue, Queues, Schedule, bounds, words};
use crate::jobs::enqueue::Priority;
use crate::jobs::own;
use crate::subject::is_word;

/// A periodic job as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    queue: String,
    kind: String,
    #[serde(default = "nothing")]
    payload: serde_json::Value,
    #[serde(default, deserialize_with = "bounds::every")]
    every: Option<Duration>,
    cron: Option<String>,
    time_zone: Option<String>,
    #[serde(default)]
    priority: Priority,
    unique_key: Option<String>,
}

fn nothing() -> serde_json::Value {
    serde_json::json!({})
}

impl TryFrom<Written> for Periodic {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { queue, kind, payload, every, cron, time_zone, priority, unique_key } =
            written;
        let schedule = match (every, cron) {
            (Some(_), None) if time_zone.is_some() => {
                return Err("time_zone is for cron; with every it takes none".to_owned());
            }
            (Some(every), None) => Schedule::Every(every),
            (None, Some(cron)) => Schedule::Cron(Cron::read(&cron, time_zone.as_deref())?),
            _ => {
                return Err(
                    "when it is due is to be said once; it takes one of every, such as every: 5m, \
                     and cron, such as cron: \"0 3 * * *\""
                        .to_owned(),
                );
            }
        };
        if unique_key.as_ref().is_some_and(String::is_empty) {
            return Err("unique_key is empty; it takes a text such as digest".to_owned());
        }
        Ok(Self { queue, kind, payload, schedule, priority, unique_key })
    }
}

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
        let queues: Self = serde_saphyr::from_str(text).map_err(|error| words::of(text, &error))?;
        match queues.mistake() {
            Some((name, mistake)) => Err(format!("{}{name}: {mistake}", line_of(text, &name))),
            None => Ok(queues),
        }
    }

    /// That there is no queue `name`, and which there are.
    #[must_use]
    pub fn unknown(&self, name: &str) -> String {
        unknown(name, self.queues.keys().map(String::as_str))
    }

    /// The first thing that is wrong although each value is of its type.
    fn mistake(&self) -> Option<(String, String)> {
        let names = self.queues.keys().chain(self.periodic.keys());
        if let Some(name) = names.into_iter().find(|name| !is_word(name)) {
            return Some((name.clone(), "a name takes a-z, 0-9, - and _".to_owned()));
        }
        for (name, queue) in &self.queues {
            if let Some(mistake) = bounds::clash(name).or_else(|| queue.mistake()) {
                return Some((name.clone(), mistake));
            }
            for result in &queue.results {
                if let Destination::Job { queue, kind } = result
                    && let Some(fault) = self.lost(queue, kind)
                {
                    return Some((name.clone(), fault));
                }
            }
        }
        let lost = |(name, it): (&String, &Periodic)| {
            Some((name.clone(), self.lost(&it.queue, &it.kind)?))
        };
        self.periodic.iter().find_map(lost)
    }

    /// Why nobody would run the jobs that go there.
    fn lost(&self, queue: &str, kind: &str) -> Option<String> {
        if !self.queues.contains_key(queue) {
            return Some(self.unknown(queue));
        }
        own::queue_fault(queue).or_else(|| own::kind_fault(queue, kind))
    }
}

impl Queue {
    /// The first thing in which two of its values are at odds.
    fn mistake(&self) -> Option<String> {
        let Self { backoff, backoff_max, rate, .. } = self;
        if backoff > backoff_max {
            return Some(format!(
                "its backoff of {backoff:?} is longer than backoff_max, which is {backoff_max:?}"
            ));
        }
        let by = rate.as_ref().and_then(|rate| rate.by.as_deref());
        by.is_some_and(str::is_empty)
            .then(|| "the rate's `by` is empty; it takes a field of the payload".to_owned())
    }
}

/// That there is no queue `name`, and which there are.
pub(crate) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    format!("there is no queue {name:?}; there are {}", known.join(", "))
}

/// The line where `name` is a key, as the words before a mistake.
fn line_of(text: &str, name: &str) -> String {
    let key = format!("{name}:");
    let line = text.lines().position(|line| line.trim_start().starts_with(&key));
    line.map_or_else(String::new, |line| format!("line {}: ", line + 1))
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
        refused(&GOOD.replace("attempts: 5", "attempts: 0"), &["5", "0 is too few; it takes 1"]);
        refused(&GOOD.replace("backoff", "backof"), &["backof"]);
        refused(&GOOD.replace("mail:", "Mail Box:"), &["line 2", "a-z"]);
        refused(&format!("{GOOD}    results: [nowhere]\n"), &["nowhere", "jobs.<queue>.<kind>"]);
        refused(&format!("{GOOD}    results: [jobs.none.x]\n"), &["line 2", "none", "mail"]);
        let digest = "periodic:\n  tick: {queue: mail, kind: digest, every: 5m}\n";
        refused(&format!("{GOOD}{digest}"), &["tick", "signin-code", "digest"]);
        let periodic = "periodic:\n  tick: {queue: none, kind: x, every: 5m}\n";
        refused(&format!("{GOOD}{periodic}"), &["line 8", "none", "mail"]);
    }

    #[test]
    fn a_name_that_is_the_consumer_of_a_priority_is_refused() {
        for name in ["mail-high", "mail-low"] {
            let parts = ["line 2", name, "-high or -low", "\"mail\""];
            refused(&GOOD.replace("mail:", &format!("{name}:")), &parts);
        }
        for name in ["high", "mail-highest", "follow", "mail-normal"] {
            assert!(Queues::parse(&GOOD.replace("mail:", &format!("{name}:"))).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_senseless_value_is_refused_with_its_line_and_the_bounds() {
        for (value, parts) in [
            ("timeout: 0s", ["4", "too short", "1ms to 24h"]),
            ("timeout: 25h", ["4", "too long", "1ms to 24h"]),
            ("timeout: -1s", ["4", "is no duration", "30s"]),
        ] {
            refused(&GOOD.replace("timeout: 30s", value), &parts);
        }
        for (line, parts) in [
            ("concurrency: 0", ["7", "too few", "1 to 1000"]),
            ("concurrency: 100000", ["7", "too many", "1 to 1000"]),
            ("batch: 1001", ["7", "too many", "1 to 1000"]),
            ("linger: 10s", ["7", "too long", "0ms to 5s"]),
            ("backoff_max: 169h", ["7", "too long", "1ms to 168h"]),
            ("backoff_max: 500ms", ["line 2", "backoff of 1s", "500ms"]),
            ("rate: {limit: 0, per: 1s}", ["7", "too few", "1 to 1000000"]),
            ("rate: {limit: 1, per: 0s}", ["7", "too short", "1ms to 24h"]),
            ("rate: {limit: 1, per: 1s, by: \"\"}", ["line 2", "by", "a field"]),
        ] {
            refused(&format!("{GOOD}    {line}\n"), &parts);
        }
        refused(&GOOD.replace("attempts: 5", "attempts: 101"), &["5", "1 to 100"]);
        refused(&GOOD.replace("backoff: 1s", "backoff: 0s"), &["6", "1ms to 168h"]);
        let periodic = "periodic:\n  tick: {queue: mail, kind: signin-code, every: 0s}\n";
        refused(&format!("{GOOD}{periodic}"), &["8", "too short", "1s to 8784h"]);
    }

    #[test]
    fn a_periodic_job_has_either_a_time_between_or_a_clock() {
        let with = |more: &str| {
            format!(
                "{GOOD}periodic:\n  tick:\n    queue: mail\n    kind: signin-code\n    {more}\n"
            )
        };
        let zone = "cron: 0 3 * * *\n    time_zone: Europe/Berlin\n    unique_key: tick";
        let tick = &Queues::parse(&with(zone)).unwrap().periodic["tick"];
        assert_eq!(tick.schedule.to_string(), "0 3 * * * (Europe/Berlin)");
        assert_eq!(tick.unique_key.as_deref(), Some("tick"));
        for (more, parts) in [
            ("priority: high", ["9", "one of every", "cron"]),
            ("every: 5m\n    cron: 0 3 * * *", ["9", "one of every", "cron"]),
            ("every: 5m\n    time_zone: UTC", ["9", "time_zone is for cron", "every"]),
            ("cron: 0 3 * *", ["9", "0 3 * *", "five fields"]),
            ("cron: 0 3 * * *\n    time_zone: Berlin", ["9", "\"Berlin\"", "Europe/Berlin"]),
            ("every: 5m\n    unique_key: \"\"", ["9", "unique_key is empty", "text"]),
        ] {
            refused(&with(more), &parts);
        }
    }

    #[test]
    fn rates_results_and_periodic_jobs_are_read() {
        let more = "    linger: 5ms\n    rate: {limit: 10, per: 1s, by: host}\n    \
                    results: [jobs.mail.signin-code, events.blogroll]\n\
                    periodic:\n  tick: {queue: mail, kind: signin-code, every: 5m}\n";
        let queues = Queues::parse(&format!("{GOOD}{more}")).unwrap();
        let rate = Rate { limit: 10, per: Duration::from_secs(1), by: Some("host".to_owned()) };
        assert_eq!(queues.queues["mail"].rate, Some(rate));
        assert_eq!(queues.queues["mail"].results.len(), 2);
        let every = Schedule::Every(Duration::from_secs(300));
        assert_eq!(queues.periodic["tick"].schedule, every);
    }
}
