//! What a client of a topic is owed, and who may be one: one table.

use shared::bus::replay::Stored;
use shared::envelope::Envelope;
use shared::events::UserNews;
use shared::recipient::Recipient;
use shared::subject::{Pattern, Topic};
use uuid::Uuid;

use crate::auth::desk::{Desk, Viewer};
use crate::error::{Error, Result};

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
/// a queue's [results](Desk::is_of_results).
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
        ["users", id] => (Delivery::Log, audience_of(&Recipient::parse(id)?)),
        _ => return None,
    })
}

/// Whether not everyone may watch a topic.
pub(super) fn is_guarded(topic: &Topic) -> bool {
    policy(topic).is_none_or(|(_, audience)| audience != Audience::Public)
}

/// Whether somebody who was let in before an event would be refused after it: a
/// session was ended, or a token revoked.
pub(super) fn withdraws(event: &Stored) -> bool {
    let is_of_user = policy(&event.topic).is_some_and(|(_, it)| matches!(it, Audience::User(_)));
    let told = || serde_json::from_slice::<Envelope<UserNews>>(&event.body);
    is_of_user
        && told().is_ok_and(|told| {
            matches!(told.payload, UserNews::SessionEnded {} | UserNews::TokenRevoked {})
        })
}

/// Nobody can guess a page session, so who names it is who made it.
fn audience_of(recipient: &Recipient) -> Audience {
    match recipient {
        Recipient::User(id) => Audience::User(*id),
        Recipient::Page(_) => Audience::Public,
    }
}

/// The topics there are, by their words, as a refusal names them; `*` is any
/// one word.
const NAMES: [&[&str]; 12] = [
    &["comments", "*"],
    &["metrics", "views"],
    &["metrics", "views", "*"],
    &["metrics", "live"],
    &["blogroll"],
    &["alerts", "errors"],
    &["alerts", "warnings"],
    &["alerts", "load"],
    &["images", "*"],
    &["jobs", "*"],
    &["backups", "*"],
    &OWN,
];
/// A user's own: no token is good for it.
const OWN: [&str; 2] = ["users", "*"];

fn names() -> impl Iterator<Item = String> {
    NAMES.iter().map(|words| words.join("."))
}

/// Lets `viewer` watch a topic, or refuses it: the one place that decides.
///
/// # Errors
/// When there is no such topic, or it is not for this viewer.
pub(super) async fn authorise(desk: &Desk, topic: &Topic, viewer: &Viewer) -> Result<()> {
    let audience = match policy(topic) {
        Some((_, audience)) => audience,
        None if *viewer != Viewer::Visitor && desk.is_of_results(topic).await? => Audience::Admin,
        None => return Err(unknown(topic)),
    };
    allow(audience, topic, viewer)
}

fn unknown(topic: &Topic) -> Error {
    let names = names().collect::<Vec<_>>().join(", ");
    Error::bad_request(format!("there is no topic {topic}; there are {names}"))
}

fn allow(audience: Audience, topic: &Topic, viewer: &Viewer) -> Result<()> {
    match (audience, viewer) {
        (Audience::Public, Viewer::Visitor | Viewer::Admin(_))
        | (Audience::Admin, Viewer::Admin(_)) => Ok(()),
        (Audience::User(id), Viewer::Admin(own)) if id == *own => Ok(()),
        (Audience::Public | Audience::Admin, Viewer::Token(patterns))
            if patterns.iter().any(|pattern| pattern.covers(topic)) =>
        {
            Ok(())
        }
        (_, Viewer::Visitor) => Err(Error::Unauthorised),
        (_, Viewer::Admin(_)) => Err(Error::Forbidden),
        (_, Viewer::Token(patterns)) => Err(Error::watch_only(patterns)),
    }
}

/// Whether a token can be for topics of this shape.
///
/// # Errors
/// What topics there are.
pub(crate) fn watchable(pattern: &Pattern) -> std::result::Result<(), String> {
    let names: Vec<String> = names().filter(|name| *name != OWN.join(".")).collect();
    if names.iter().any(|name| pattern.meets(name)) {
        return Ok(());
    }
    let names = names.join(", ");
    Err(format!("no topic is like that; there are {names}"))
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
        let (user, page) = (Uuid::now_v7(), "users.page-00112233445566778899aabbccddeeff");
        check(&format!("users.{user}"), Some((Delivery::Log, Audience::User(user))));
        check(&format!("users.{}", user.simple()), None);
        check(page, Some((Delivery::Log, Audience::Public)));
        check(&page[..page.len() - 1], None);
        check("secrets", None);
        check("comments", None);
    }

    #[test]
    fn a_refusal_names_topics_that_there_are() {
        for name in names() {
            let word =
                if name == OWN.join(".") { "0199a0b0-0000-7000-8000-000000000000" } else { "a" };
            let topic: Topic = name.replace('*', word).parse().unwrap();
            assert!(policy(&topic).is_some(), "{topic}");
        }
    }

    fn may(viewer: &Viewer, topic: &str) -> u16 {
        let topic: Topic = topic.parse().unwrap();
        let known = policy(&topic).ok_or_else(|| unknown(&topic));
        let allowed = known.and_then(|(_, audience)| allow(audience, &topic, viewer));
        allowed.map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn what_is_the_admins_is_for_the_admin_and_for_tokens_that_name_it() {
        let kiosk = ["comments.*", "alerts.load", "users.*"].map(|text| text.parse().unwrap());
        let (admin, kiosk) = (Viewer::Admin(Uuid::from_u128(1)), Viewer::Token(kiosk.to_vec()));
        let own = format!("users.{}", Uuid::from_u128(1));
        let others = format!("users.{}", Uuid::from_u128(2));
        for (topic, expect) in [
            ("comments.hello", [200, 200, 200]),
            ("blogroll", [200, 200, 403]),
            ("alerts.errors", [401, 200, 403]),
            ("alerts.warnings", [401, 200, 403]),
            ("alerts.load", [401, 200, 200]),
            ("images.0199", [401, 200, 403]),
            ("jobs.images", [401, 200, 403]),
            ("backups.daily", [401, 200, 403]),
            (&own, [401, 200, 403]),
            (&others, [401, 403, 403]),
            ("nothing", [400, 400, 400]),
        ] {
            let got = [&Viewer::Visitor, &admin, &kiosk].map(|viewer| may(viewer, topic));
            assert_eq!(got, expect, "{topic}");
        }
    }
}
