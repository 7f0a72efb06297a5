//! Every subject and stream name on the bus.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stream of work to be done once.
pub const JOBS: &str = "JOBS";
/// Stream of what has happened.
pub const EVENTS: &str = "EVENTS";
/// Stream of jobs that gave up.
pub const DEAD: &str = "DEAD";

/// All of [`JOBS`].
pub const ALL_JOBS: &str = "jobs.>";
/// All of [`EVENTS`].
pub const ALL_EVENTS: &str = "events.>";
/// All of [`DEAD`].
pub const ALL_DEAD: &str = "dead.>";
/// Where stored events are republished for live subscribers.
pub const ALL_LIVE: &str = "live.>";

const EVENT_PREFIX: &str = "events.";
const LIVE_PREFIX: &str = "live.";

/// `jobs.<queue>.<kind>`.
#[must_use]
pub fn job(queue: &str, kind: &str) -> String {
    format!("jobs.{queue}.{kind}")
}

/// `dead.<queue>.<kind>`.
#[must_use]
pub fn dead(queue: &str, kind: &str) -> String {
    format!("dead.{queue}.{kind}")
}

/// The queue and the kind of a `jobs.` subject.
#[must_use]
pub fn parse_job(subject: &str) -> Option<(&str, &str)> {
    subject.strip_prefix("jobs.")?.split_once('.')
}

/// The longest topic that is taken, in bytes.
pub const TOPIC_MAX: usize = 200;

/// Whether `text` can stand between the dots of a topic: a slug, an id, a
/// queue's name.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=TOPIC_MAX / 2).contains(&text.len()) && text.chars().all(legal)
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
        Self("metrics.live".to_owned())
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

    /// `users.<id>`: for every window of one user.
    #[must_use]
    pub fn user(id: Uuid) -> Self {
        Self(format!("users.{id}"))
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

    #[test]
    fn a_job_subject_gives_back_queue_and_kind() {
        assert_eq!(parse_job(&job("images", "variants.done")), Some(("images", "variants.done")));
        assert_eq!(parse_job("events.x"), None);
    }
}
