//! What a client of a topic is owed, and who may be one: one table.

use shared::queues::{Destination, Queues};
use shared::subject::Topic;
use uuid::Uuid;

/// What a client of a topic is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Only the newest value: counters. Sent ten times a second at most.
    Latest,
    /// Only the newest value, of what everyone watches and nobody reads so
    /// fast: numbers of the whole site. Sent once a second at most.
    Sample,
    /// Each event, in order: comments.
    Log,
}

impl Delivery {
    /// The shortest time between two sendings, in milliseconds; none where
    /// each event is owed. A value that is due later goes out early with an
    /// event that does not wait, or the client's cursor would pass it by.
    pub(super) fn period(self) -> Option<u64> {
        match self {
            Self::Latest => Some(100),
            Self::Sample => Some(1000),
            Self::Log => None,
        }
    }
}

/// Who may watch a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everyone.
    Public,
    /// The admin.
    Admin,
    /// One user.
    User(Uuid),
}

/// The table; a topic that is not in it does not exist, but for those of
/// [results](is_of_results).
pub(super) fn policy(topic: &Topic) -> Option<(Delivery, Audience)> {
    let words: Vec<&str> = topic.as_str().split('.').collect();
    Some(match words[..] {
        ["comments", _slug] => (Delivery::Log, Audience::Public),
        ["metrics", "views", _slug] => (Delivery::Latest, Audience::Public),
        ["metrics", "views" | "live"] => (Delivery::Sample, Audience::Public),
        ["blogroll"] => (Delivery::Latest, Audience::Public),
        ["alerts", "errors" | "warnings" | "load"] => (Delivery::Log, Audience::Admin),
        ["images", _id] => (Delivery::Log, Audience::Admin),
        ["jobs", _queue] => (Delivery::Log, Audience::Admin),
        ["backups", _tier] => (Delivery::Log, Audience::Admin),
        ["users", id] => (Delivery::Log, Audience::User(id.parse().ok()?)),
        _ => return None,
    })
}

/// Whether the results of a queue go to a topic: the admin may watch it, as a log.
/// What programs make of payloads is nothing that all may see.
pub(super) fn is_of_results(topic: &Topic, queues: &Queues) -> bool {
    let mut all = queues.queues.values().flat_map(|queue| &queue.results);
    all.any(|result| matches!(result, Destination::Event(it) if it == topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic: &str, expect: Option<(Delivery, Audience)>) {
        assert_eq!(policy(&topic.parse().unwrap()), expect);
    }

    #[test]
    fn visitors_see_comments_counters_and_the_blogroll_alone() {
        check("comments.hello", Some((Delivery::Log, Audience::Public)));
        check("metrics.views.hello", Some((Delivery::Latest, Audience::Public)));
        check("metrics.live", Some((Delivery::Sample, Audience::Public)));
        check("blogroll", Some((Delivery::Latest, Audience::Public)));
        check("jobs.comments", Some((Delivery::Log, Audience::Admin)));
        check("users.no-id", None);
        check("secrets", None);
        check("comments", None);
    }
}
