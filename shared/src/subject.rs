//! Every subject and stream name on the bus.

mod pattern;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::jobs::enqueue::Priority;
use crate::recipient::Recipient;
pub use pattern::{BadPattern, Pattern};

/// Stream of work to be done once.
pub const JOBS: &str = "JOBS";
/// Stream of what has happened.
pub const EVENTS: &str = "EVENTS";
/// Stream of jobs that gave up.
pub const DEAD: &str = "DEAD";

/// All of [`JOBS`]: a subject that no consumer would take is not stored, and
/// its sender is told.
pub const ALL_JOBS: [&str; 6] = [
    "jobs.*.*",
    "jobs.*.*.high",
    "jobs.*.*.low",
    "jobs.*.*.high.*",
    "jobs.*.*.normal.*",
    "jobs.*.*.low.*",
];
/// Filter of whatever is in [`JOBS`].
pub const IN_JOBS: &str = "jobs.>";
/// All of [`EVENTS`].
pub const ALL_EVENTS: &str = "events.>";
/// All of [`DEAD`].
pub const ALL_DEAD: &str = "dead.>";
/// Where stored events are republished for live subscribers.
pub const ALL_LIVE: &str = "live.>";

/// Advisories of messages of [`JOBS`] that were delivered too often.
pub const GIVEN_UP: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.*";
/// Advisories of messages of [`JOBS`] that a program has ended.
pub const TERMINATED: &str = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.JOBS.*";

/// What workers are told at once; not stored.
pub const CONTROL: &str = "control.workers";
/// Where a process without databases asks `web` who somebody is.
pub const DESK: &str = "desk.web";

/// How far jobs of external queues are, as their programs say: `progress.<queue>`;
/// not stored.
pub const ALL_PROGRESS: &str = "progress.*";
/// What the processes that serve visitors tell each other of their readers; not
/// stored.
pub const PRESENCE: &str = "presence.web";

const READERS: &str = "metrics.live";
const EVENT_PREFIX: &str = "events.";
const LIVE_PREFIX: &str = "live.";

/// `jobs.<queue>.<kind>`.
#[must_use]
pub fn job(queue: &str, kind: &str) -> String {
    format!("jobs.{queue}.{kind}")
}

/// Where a job of a priority goes: `jobs.<queue>.<kind>`, and with
/// `.<priority>` where that is not the usual one.
#[must_use]
pub fn job_at(queue: &str, kind: &str, priority: Priority) -> String {
    match priority {
        Priority::Normal => job(queue, kind),
        other => format!("jobs.{queue}.{kind}.{}", other.as_str()),
    }
}

/// Where `count` jobs that share a message go:
/// `jobs.<queue>.<kind>.<priority>.<count>`. So the stream's list of subjects
/// tells how many jobs it holds.
#[must_use]
pub fn pack(address: &JobAddress<'_>, count: usize) -> String {
    let JobAddress { queue, kind, priority, .. } = address;
    format!("jobs.{queue}.{kind}.{}.{count}", priority.as_str())
}

/// What takes the jobs of a queue and a priority, alone or packed; no two of
/// them overlap.
#[must_use]
pub fn filters(queue: &str, priority: Priority) -> Vec<String> {
    let word = priority.as_str();
    match priority {
        Priority::Normal => vec![job(queue, "*"), format!("jobs.{queue}.*.{word}.*")],
        _ => vec![format!("jobs.{queue}.*.{word}"), format!("jobs.{queue}.*.{word}.*")],
    }
}

/// The durable consumer of a queue and a priority: `<queue>`, or
/// `<queue>-<priority>` where that is not the usual one.
#[must_use]
pub fn consumer(queue: &str, priority: Priority) -> String {
    match priority {
        Priority::Normal => queue.to_owned(),
        other => format!("{queue}-{}", other.as_str()),
    }
}

/// The queue of a `progress.` subject.
#[must_use]
pub fn queue_of_progress(subject: &str) -> &str {
    subject.strip_prefix("progress.").unwrap_or(subject)
}

/// The queue of a `jobs.` subject.
#[must_use]
pub fn queue_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("jobs.")?.split('.').next()
}

/// What the subject of a message of [`JOBS`] says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobAddress<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// Which goes first.
    pub priority: Priority,
    /// How many jobs share the message; none when it is one job, unpacked.
    pub packed: Option<u64>,
}

impl<'a> JobAddress<'a> {
    /// Reads a `jobs.` subject; `None` when it is none that a queue takes.
    #[must_use]
    pub fn parse(subject: &'a str) -> Option<Self> {
        let words: Vec<&str> = subject.split('.').collect();
        let priority = |word: &str| Priority::ALL.into_iter().find(|it| it.as_str() == word);
        let (queue, kind, priority, packed) = match words[..] {
            ["jobs", queue, kind] => (queue, kind, Priority::Normal, None),
            ["jobs", queue, kind, word] => (queue, kind, priority(word)?, None),
            ["jobs", queue, kind, word, count] => {
                (queue, kind, priority(word)?, Some(count.parse().ok()?))
            }
            _ => return None,
        };
        Some(Self { queue, kind, priority, packed })
    }
}

/// `dead.<queue>.<kind>`.
#[must_use]
pub fn dead(queue: &str, kind: &str) -> String {
    format!("dead.{queue}.{kind}")
}

/// The longest topic that is taken, in bytes.
pub const TOPIC_MAX: usize = 200;
/// Longest word between the dots.
pub const WORD_MAX: usize = TOPIC_MAX / 2;

/// Whether `text` can stand between the dots of a topic: a slug, an id, a
/// queue's name.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=WORD_MAX).contains(&text.len()) && text.chars().all(legal)
}

/// What a visitor can watch: an event's subject without `events.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(String);

/// A topic that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a topic: a topic is lower-case words of a-z, 0-9, - and _ joined by dots, \
     {TOPIC_MAX} bytes at most, such as comments.hello"
)]
pub struct BadTopic(String);

impl Topic {
    /// `comments.<slug>`: comments of a post.
    #[must_use]
    pub fn comments(slug: &str) -> Self {
        Self(format!("comments.{slug}"))
    }

    /// `metrics.views`: counters of the whole site.
    #[must_use]
    pub fn site_views() -> Self {
        Self("metrics.views".to_owned())
    }

    /// `metrics.views.<slug>`: counters of a post.
    #[must_use]
    pub fn post_views(slug: &str) -> Self {
        Self(format!("metrics.views.{slug}"))
    }

    /// `metrics.live`: readers now.
    #[must_use]
    pub fn readers() -> Self {
        Self(READERS.to_owned())
    }

    /// Whether it is [`Topic::readers`].
    #[must_use]
    pub fn is_readers(&self) -> bool {
        self.0 == READERS
    }

    /// `blogroll`: the newest posts of other sites.
    #[must_use]
    pub fn blogroll() -> Self {
        Self("blogroll".to_owned())
    }

    /// `alerts.<level>`.
    #[must_use]
    pub fn alerts(level: crate::events::AlertLevel) -> Self {
        Self(format!("alerts.{}", level.as_str()))
    }

    /// `images.<id>`: an image's status.
    #[must_use]
    pub fn image(id: Uuid) -> Self {
        Self(format!("images.{id}"))
    }

    /// `jobs.<queue>`: what became of a queue's jobs.
    #[must_use]
    pub fn jobs(queue: &str) -> Self {
        Self(format!("jobs.{queue}"))
    }

    /// `backups.<tier>`.
    #[must_use]
    pub fn backups(tier: &str) -> Self {
        Self(format!("backups.{tier}"))
    }

    /// `users.<id>`: for every window of one user, or of one visitor.
    #[must_use]
    pub fn user(to: &Recipient) -> Self {
        Self(format!("users.{to}"))
    }

    /// Whether it is a [`Topic::user`].
    #[must_use]
    pub fn is_of_a_user(&self) -> bool {
        self.0.starts_with("users.")
    }

    /// The topic as clients name it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject it is stored under in [`EVENTS`].
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{EVENT_PREFIX}{}", self.0)
    }

    /// The topic of a message republished from [`EVENTS`].
    #[must_use]
    pub fn from_live_subject(subject: &str) -> Option<Self> {
        subject.strip_prefix(LIVE_PREFIX).and_then(|topic| topic.parse().ok())
    }

    /// The topic of a message stored in [`EVENTS`].
    #[must_use]
    pub fn from_event_subject(subject: &str) -> Option<Self> {
        subject.strip_prefix(EVENT_PREFIX).and_then(|topic| topic.parse().ok())
    }
}

impl FromStr for Topic {
    type Err = BadTopic;

    fn from_str(text: &str) -> Result<Self, BadTopic> {
        if text.len() <= TOPIC_MAX && text.split('.').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadTopic(text.chars().take(TOPIC_MAX).collect()))
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = BadTopic;

    fn try_from(text: String) -> Result<Self, BadTopic> {
        text.parse()
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_spaces_and_empty_words_are_no_topics() {
        for text in ["", ">", "comments.*", "comments..a", "a b", "Ä", &"a".repeat(201)] {
            assert!(text.parse::<Topic>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_topic_survives_its_subject() {
        let topic = Topic::comments("hello-world");
        assert_eq!(Topic::from_event_subject(&topic.subject()), Some(topic));
    }

    #[track_caller]
    fn check(subject: &str, expect: Option<(&str, &str, Priority, Option<u64>)>) {
        let read = JobAddress::parse(subject);
        assert_eq!(read.map(|it| (it.queue, it.kind, it.priority, it.packed)), expect);
    }

    #[test]
    fn a_job_subject_gives_back_what_was_put_in() {
        for priority in Priority::ALL {
            check(&job_at("mail", "code", priority), Some(("mail", "code", priority, None)));
            let address = JobAddress { queue: "mail", kind: "code", priority, packed: None };
            check(&pack(&address, 12), Some(("mail", "code", priority, Some(12))));
        }
        for none in ["events.x", "jobs.mail", "jobs.mail.code.soon", "jobs.mail.code.high.many"] {
            check(none, None);
        }
    }
}
