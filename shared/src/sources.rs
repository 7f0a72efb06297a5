//! `deploy/sources.yml`: what the gateway asks other sites for, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use crate::subject::is_word;

/// No feed and no answer may be larger, in bytes.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What goes on to a queue travels in one message, which NATS limits.
const MESSAGE_MAX: usize = 512 * 1024;
/// The longest that an answer is waited for: less than a gateway job may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// All sources, by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// The shortest time between two requests to one host.
    #[serde(default = "host_gap", deserialize_with = "gap")]
    pub host_gap: Duration,
    /// The sources.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { host_gap: host_gap(), sources: BTreeMap::new() }
    }
}

/// One source, and how it is asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its address: http or https.
    #[serde(deserialize_with = "address")]
    pub url: Url,
    /// Its name on the page; the feed's own when there is none.
    #[serde(default)]
    pub title: Option<String>,
    /// The queue that gets its answers as they change; without one it is a
    /// feed, for the blogroll.
    #[serde(default)]
    pub to: Option<String>,
    /// How often it is asked.
    #[serde(default = "half_an_hour", deserialize_with = "interval")]
    pub every: Duration,
    /// How long the whole answer may take, redirects included.
    #[serde(default = "ten_seconds", deserialize_with = "timeout")]
    pub timeout: Duration,
    /// How many bytes an answer may have.
    #[serde(default = "two_mebibytes", deserialize_with = "bytes")]
    pub max_bytes: usize,
    /// How many redirects are followed.
    #[serde(default = "three", deserialize_with = "redirects")]
    pub redirects: u32,
    /// Whether it may be at an address that is not public; what it redirects to
    /// may not, unless that is on the same host and port.
    #[serde(default)]
    pub allow_private: bool,
    /// After so many failures in a row it is left alone.
    #[serde(default = "three", deserialize_with = "failures")]
    pub failures: u32,
    /// For how long; each further failure doubles it.
    #[serde(default = "five_minutes", deserialize_with = "interval")]
    pub pause: Duration,
    /// For how long at most.
    #[serde(default = "a_day", deserialize_with = "interval")]
    pub pause_max: Duration,
}

impl Source {
    /// How long it is left alone after `failures` in a row; `None` as long as
    /// it may be asked again at once.
    #[must_use]
    pub fn rest(&self, failures: u32) -> Option<Duration> {
        let further = failures.checked_sub(self.failures)?;
        let doubled = 2_u32.saturating_pow(further.min(20));
        Some(self.pause.saturating_mul(doubled).min(self.pause_max))
    }

    /// How many bytes of an answer are taken.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        if self.to.is_some() { self.max_bytes.min(MESSAGE_MAX) } else { self.max_bytes }
    }
}

fn host_gap() -> Duration {
    Duration::from_secs(1)
}

fn half_an_hour() -> Duration {
    Duration::from_secs(30 * 60)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn five_minutes() -> Duration {
    Duration::from_secs(5 * 60)
}

fn a_day() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn two_mebibytes() -> usize {
    2 * 1024 * 1024
}

fn three() -> u32 {
    3
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    let right = "it takes an http or https address without a password, \
                 such as https://example.com/feed.xml";
    let wrong = || D::Error::custom(format!("{text:?} is no address of a source; {right}"));
    let url: Url = text.parse().map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none();
    if is_web(&url) && plain { Ok(url) } else { Err(wrong()) }
}

/// Whether an address is one of the web's, and has a host.
#[must_use]
pub fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
    (least, most): (Duration, Duration),
    takes: &str,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span =
        text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    let span = span.filter(|span| (least..=most).contains(span));
    span.ok_or_else(|| D::Error::custom(format!("got {text:?}; it takes {takes}")))
}

fn gap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let range = (Duration::ZERO, Duration::from_secs(3600));
    duration(deserializer, range, "a time from 0s to 1h, such as 500ms or 2s")
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let range = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 60 * 60));
    duration(deserializer, range, "a time from 1s to 720h, such as 90s, 30m or 6h")
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let range = (Duration::from_millis(100), TIMEOUT_MAX);
    duration(deserializer, range, "a time from 100ms to 60s, such as 10s")
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let wrong = || D::Error::custom(format!("it takes a number of bytes from 1 to {BYTES_MAX}"));
    let number = usize::deserialize(deserializer).map_err(|_| wrong())?;
    if (1..=BYTES_MAX).contains(&number) { Ok(number) } else { Err(wrong()) }
}

fn redirects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    count(deserializer, 0, 10)
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    count(deserializer, 1, 100)
}

fn count<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: u32,
    most: u32,
) -> Result<u32, D::Error> {
    let wrong = || D::Error::custom(format!("it takes a number from {least} to {most}"));
    let number = u32::deserialize(deserializer).map_err(|_| wrong())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(wrong()) }
}

/// A file that cannot be used, with the line at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile {
    path: PathBuf,
    mistake: Mistake,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    line: Option<u64>,
    problem: String,
}

impl BadFile {
    /// A file that cannot be read at all.
    #[must_use]
    pub fn unreadable(path: &Path, why: &str) -> Self {
        let mistake = Mistake { line: None, problem: why.to_owned() };
        Self { path: path.to_owned(), mistake }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { line, problem } = &self.mistake;
        match line {
            Some(line) => write!(f, "{}:{line}: {problem}", self.path.display()),
            None => write!(f, "{}: {problem}", self.path.display()),
        }
    }
}

impl std::error::Error for BadFile {}

impl Sources {
    /// Reads the file at `path`; `is_queue` knows the queues that a source can
    /// name.
    ///
    /// # Errors
    /// When it cannot be read, or holds a mistake: with its line.
    pub fn read(path: &Path, is_queue: impl Fn(&str) -> bool) -> Result<Self, BadFile> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| BadFile::unreadable(path, &error.to_string()))?;
        Self::of_text(path, &text, is_queue)
    }

    /// Reads what the file at `path` holds.
    ///
    /// # Errors
    /// When it holds a mistake: with its line.
    pub fn of_text(
        path: &Path,
        text: &str,
        is_queue: impl Fn(&str) -> bool,
    ) -> Result<Self, BadFile> {
        Self::parse(text, is_queue).map_err(|mistake| BadFile { path: path.to_owned(), mistake })
    }

    fn parse(text: &str, is_queue: impl Fn(&str) -> bool) -> Result<Self, Mistake> {
        let sources: Self = serde_saphyr::from_str(text).map_err(|error| mistake(&error))?;
        for (name, source) in &sources.sources {
            if let Some(problem) = source.problem(name, &is_queue) {
                return Err(Mistake { line: line_of(text, name), problem });
            }
        }
        Ok(sources)
    }
}

impl Source {
    /// What is wrong although each value is good by itself.
    fn problem(&self, name: &str, is_queue: &impl Fn(&str) -> bool) -> Option<String> {
        if !is_word(name) {
            return Some(format!("{name:?} is no source's name; it takes a-z, 0-9, - and _"));
        }
        if let Some(queue) = self.to.as_deref().filter(|queue| !is_queue(queue)) {
            let takes = "`to` takes the name of a queue of queues.yml";
            return Some(format!("{name}: there is no queue {queue:?}; {takes}"));
        }
        let (pause, most) = (self.pause, self.pause_max);
        let grows = pause <= most;
        (!grows).then(|| {
            format!("{name}: `pause` is {pause:?}; it takes no more than `pause_max`, {most:?}")
        })
    }
}

fn mistake(error: &serde_saphyr::Error) -> Mistake {
    let line = error.location().map(|at| at.line());
    let text = error.without_snippet().to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    Mistake { line, problem: problem.to_owned() }
}

/// The line where `name` is a key.
fn line_of(text: &str, name: &str) -> Option<u64> {
    let is_key = |line: &str| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        let rest = line.strip_prefix(name).map(|rest| rest.trim_start_matches(['"', '\'']));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let line = text.lines().position(is_key)?;
    u64::try_from(line + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "host_gap: 2s\nsources:\n  friend:\n    url: https://a.example/feed\n";

    fn parse(text: &str) -> Result<Sources, Mistake> {
        Sources::parse(text, |queue| queue == "known")
    }

    #[test]
    fn a_source_needs_an_address_alone() {
        let sources = parse(GOOD).unwrap();
        let friend = &sources.sources["friend"];
        assert_eq!(sources.host_gap, Duration::from_secs(2));
        assert_eq!((friend.redirects, friend.failures, friend.allow_private), (3, 3, false));
        assert_eq!(friend.every, Duration::from_secs(1800));
        assert_eq!(parse("# nothing yet\n").unwrap(), Sources::default());
        assert_eq!(parse("sources:\n").unwrap(), Sources::default());
    }

    #[test]
    fn the_shipped_file_is_good_and_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/sources.yml");
        assert_eq!(Sources::read(&path, |_| false).unwrap(), Sources::default());
    }

    #[test]
    fn the_examples_in_the_shipped_file_are_good() {
        let shipped = include_str!("../../deploy/sources.yml");
        let text = shipped.replace("\n  # ", "\n  ").replace("sources: {}", "sources:");
        let sources = Sources::parse(&text, |queue| queue == "weather").unwrap().sources;
        assert!(sources.len() >= 2, "{sources:?}");
    }

    #[track_caller]
    fn check_mistake(add: &str, line: u64, says: &str) {
        let mistake = parse(&format!("{GOOD}{add}")).unwrap_err();
        assert_eq!(mistake.line, Some(line), "{mistake:?}");
        assert!(mistake.problem.contains(says), "{mistake:?}");
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_would_be_right() {
        check_mistake("    every: soon\n", 5, "from 1s to 720h");
        check_mistake("    every: 10ms\n", 5, "from 1s to 720h");
        check_mistake("    timeout: 5m\n", 5, "from 100ms to 60s");
        check_mistake("    redirects: many\n", 5, "from 0 to 10");
        check_mistake("    failures: 0\n", 5, "from 1 to 100");
        check_mistake("    max_bytes: 99999999999\n", 5, "from 1 to 16777216");
        check_mistake("    evry: 5m\n", 5, "every");
        check_mistake("    to: nowhere\n", 3, "name of a queue");
        check_mistake("    pause: 48h\n", 3, "pause_max");
        check_mistake("  other:\n    url: ftp://a.example\n", 6, "http or https");
        check_mistake("  other:\n    url: https://me:pw@a.example\n", 6, "without a password");
        check_mistake("  My friend:\n    url: https://b.example\n", 5, "a-z, 0-9");
        check_mistake("  other:\n    every: 5m\n", 6, "url");
    }

    #[test]
    fn the_file_is_named_before_the_line() {
        let path = std::env::temp_dir().join(format!("sources-{}.yml", uuid::Uuid::now_v7()));
        std::fs::write(&path, format!("{GOOD}    every: soon\n")).unwrap();
        let error = Sources::read(&path, |_| true).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.starts_with(&format!("{}:5: ", path.display())), "{error}");
    }

    #[test]
    fn the_pause_of_a_failing_source_doubles_up_to_its_limit() {
        let friend = parse(GOOD).unwrap().sources["friend"].clone();
        let minutes = |failures| friend.rest(failures).map(|pause| pause.as_secs() / 60);
        assert_eq!([minutes(0), minutes(2)], [None, None]);
        assert_eq!([minutes(3), minutes(4), minutes(5)], [Some(5), Some(10), Some(20)]);
        assert_eq!(minutes(u32::MAX), Some(24 * 60));
    }

    #[test]
    fn what_goes_to_a_queue_fits_into_a_message() {
        let text = format!("{GOOD}    to: known\n");
        assert_eq!(parse(&text).unwrap().sources["friend"].bytes_max(), MESSAGE_MAX);
        assert_eq!(parse(GOOD).unwrap().sources["friend"].bytes_max(), 2 * 1024 * 1024);
    }
}
