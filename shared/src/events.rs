//! What has happened, as it is told to everyone who watches.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::blogroll::Item;
use crate::db::comments::{Comment, CommentStatus};
use crate::db::images::ImageStatus;
use crate::db::settings::Settings;
use crate::envelope::{Envelope, Untyped};
use crate::recipient::Recipient;
use crate::subject::Topic;

/// An event on its way to [`crate::subject::EVENTS`].
pub struct Event {
    /// Who may see it.
    pub topic: Topic,
    /// The message.
    pub envelope: Envelope,
}

impl Event {
    fn new(topic: Topic, kind: &str, cause: Uuid, payload: impl Serialize) -> Self {
        Self { topic, envelope: Envelope::new(kind, 1, cause, Untyped::of(&payload)) }
    }

    /// A comment of the post `slug` is `approved`, `pending` or `rejected`.
    ///
    /// What is not public does not travel: a comment that is not approved is
    /// told with its text left out.
    #[must_use]
    pub fn comment(comment: &Comment, cause: Uuid) -> Self {
        let kind = format!("comment.{}", comment.status.as_str());
        let topic = Topic::comments(&comment.post);
        Self::new(topic, &kind, cause, comment.clone().for_everyone())
    }

    /// Counters changed: of a post, or of the whole site.
    #[must_use]
    pub fn views(slug: Option<&str>, count: ViewCount, cause: Uuid) -> Self {
        let topic = slug.map_or_else(Topic::site_views, Topic::post_views);
        Self::new(topic, "views.counted", cause, count)
    }

    /// An image's status changed.
    #[must_use]
    pub fn image(id: Uuid, status: ImageStatus, error: Option<&str>, cause: Uuid) -> Self {
        let payload = serde_json::json!({"id": id, "status": status, "error": error});
        Self::new(Topic::image(id), &format!("image.{}", status.as_str()), cause, payload)
    }

    /// What became of a job.
    #[must_use]
    pub fn job(change: &JobChange) -> Self {
        let kind = format!("job.{}", change.state.as_str());
        Self::new(Topic::jobs(&change.queue), &kind, change.job, change)
    }

    /// The result of a job, where `deploy/queues.yml` sends it to a topic.
    #[must_use]
    pub fn result(topic: Topic, kind: &str, cause: Uuid, result: &serde_json::Value) -> Self {
        Self::new(topic, &format!("{kind}.result"), cause, result)
    }

    /// Something the admin should know.
    #[must_use]
    pub fn alert(level: AlertLevel, text: &str, cause: Uuid) -> Self {
        let payload = serde_json::json!({"level": level, "text": text});
        Self::new(Topic::alerts(level), "alert.raised", cause, payload)
    }

    /// A backup run began or ended; `run` is as the API gives it.
    #[must_use]
    pub fn backup(tier: &str, run: impl Serialize, cause: Uuid) -> Self {
        Self::new(Topic::backups(tier), "backup.run", cause, run)
    }

    /// The newest posts of other sites, all that the page shows.
    #[must_use]
    pub fn blogroll(items: &[Item], cause: Uuid) -> Self {
        let payload = serde_json::json!({"items": items});
        Self::new(Topic::blogroll(), "blogroll.changed", cause, payload)
    }

    /// Something that concerns one user, or one visitor.
    #[must_use]
    pub fn user(to: &Recipient, told: &UserNews, cause: Uuid) -> Self {
        let news = ForUser { user: to.to_string(), told };
        Self::new(Topic::user(to), "user.told", cause, news)
    }

    /// Readers now, by post and for the site.
    #[must_use]
    pub fn readers(readers: &Readers, cause: Uuid) -> Self {
        Self::new(Topic::readers(), "readers.counted", cause, readers)
    }
}

#[derive(Serialize)]
struct ForUser<'a> {
    #[serde(rename = "user-id")]
    user: String,
    #[serde(flatten)]
    told: &'a UserNews,
}

/// What all windows of a user are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "payload", rename_all = "kebab-case")]
pub enum UserNews {
    /// One's own comment was published, held or refused.
    Comment {
        /// The comment.
        id: Uuid,
        /// Slug of its post.
        post: String,
        /// What it is now.
        status: CommentStatus,
        /// Why, when it was refused.
        reason: Option<String>,
    },
    /// A post was saved.
    PostSaved {
        /// The address under which windows have it open.
        slug: String,
        /// Its title now.
        title: String,
        /// Its version now.
        version: i64,
    },
    /// The settings were saved, and are these.
    SettingsSaved(Settings),
    /// A session of the user was ended; whose, each browser finds out itself.
    SessionEnded {},
    /// A token of the user was revoked.
    TokenRevoked {},
}

/// How often something was read, and by how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewCount {
    /// Page views: one a visitor, path and session.
    pub views: i64,
    /// Different visitors (by daily salted hash).
    pub visitors: i64,
}

/// Readers now: counts, of nobody in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readers {
    /// On the whole site.
    pub readers: usize,
    /// By post.
    pub posts: std::collections::BTreeMap<String, usize>,
}

/// What became of a job, for the admin's live view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobChange {
    /// The job's id.
    pub job: Uuid,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Where it is now.
    pub state: JobNews,
    /// The attempt that led there.
    pub attempt: u32,
    /// Why, when it failed.
    pub error: Option<String>,
    /// How far it is, from 0 to 1, when it runs and tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f32>,
}

impl JobChange {
    /// Of a job, without more.
    #[must_use]
    pub fn new<P>(queue: &str, job: &Envelope<P>, state: JobNews) -> Self {
        Self {
            job: job.id,
            queue: queue.to_owned(),
            kind: job.kind.clone(),
            state,
            attempt: job.attempt,
            error: None,
            progress: None,
        }
    }
}

/// Where a job is, as those who follow its queue are told; the more telling of
/// two is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobNews {
    /// It is in the stream.
    Queued,
    /// A worker has begun it.
    Running,
    /// It did what it had to.
    Done,
    /// It failed, and comes again.
    Retrying,
    /// It gave up.
    Dead,
}

impl JobNews {
    /// The word used in kinds of events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }
}

/// How serious an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertLevel {
    /// Something is lost to the user until someone acts.
    Errors,
    /// Something will go wrong if nobody acts.
    Warnings,
    /// The box is busier than it should be.
    Load,
}

impl AlertLevel {
    /// The word used in topics and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Warnings => "warnings",
            Self::Load => "load",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_is_told_names_the_user_the_action_and_the_rest() {
        let (user, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let status = CommentStatus::Approved;
        let told = UserNews::Comment { id, post: "hello".to_owned(), status, reason: None };
        let event = Event::user(&Recipient::User(user), &told, Uuid::nil());
        let payload: serde_json::Value = event.envelope.payload.read().unwrap();
        let expect = serde_json::json!({
            "user-id": user, "action": "comment",
            "payload": {"id": id, "post": "hello", "status": "approved", "reason": null},
        });
        assert_eq!((event.topic, payload), (Topic::user(&Recipient::User(user)), expect));
    }
}
