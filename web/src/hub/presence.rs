//! Readers now: who is connected, counted, never named.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::bus::Message;
use shared::events::{Event, Readers};
use shared::subject::Topic;
use uuid::Uuid;

use super::Hub;
use super::policy::{Audience, policy};

/// How often a change is told at most.
const PERIOD: Duration = Duration::from_millis(500);

/// Connections by what they read.
#[derive(Default)]
pub(super) struct Presence {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    site: usize,
    posts: HashMap<String, usize>,
}

/// One connection that reads; it is not counted any more when dropped.
pub struct Watching {
    presence: Arc<Presence>,
    posts: Vec<String>,
}

impl Hub {
    /// Counts a connection as a reader of the site and of its posts; none for the admin's
    /// panel, which would count itself.
    #[must_use]
    pub fn watching(&self, topics: &[Topic]) -> Option<Watching> {
        if topics.iter().any(is_of_the_panel) {
            return None;
        }
        let presence = Arc::clone(&self.presence);
        let mut posts: Vec<String> = topics.iter().filter_map(post).map(str::to_owned).collect();
        posts.sort_unstable();
        posts.dedup();
        presence.enter(&posts);
        Some(Watching { presence, posts })
    }
}

/// The panel follows what no reader may.
fn is_of_the_panel(topic: &Topic) -> bool {
    matches!(policy(topic), Some((_, Audience::Admin)))
}

/// A reader of a post watches its comments; a list watches counters alone.
fn post(topic: &Topic) -> Option<&str> {
    topic.as_str().strip_prefix("comments.")
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.presence.leave(&self.posts);
    }
}

impl Presence {
    fn enter(&self, posts: &[String]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.site += 1;
        for post in posts {
            *counts.posts.entry(post.clone()).or_default() += 1;
        }
    }

    fn leave(&self, posts: &[String]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.site -= 1;
        for post in posts {
            if let Some(count) = counts.posts.get_mut(post) {
                *count -= 1;
            }
        }
        counts.posts.retain(|_, count| *count > 0);
    }

    pub(super) fn count(&self) -> Readers {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let posts = counts.posts.iter().map(|(post, count)| (post.clone(), *count)).collect();
        Readers { readers: counts.site, posts }
    }
}

/// Tells the number of readers when it has changed, until shutdown. A message
/// that NATS did not take is told again with the next number.
pub(super) async fn publish(hub: Hub) {
    let mut told = None;
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !hub.shutdown.is_cancelled() {
        tick.tick().await;
        let readers = hub.presence.count();
        if told.as_ref() != Some(&readers) && tell(&hub, &readers).await {
            told = Some(readers);
        }
    }
}

async fn tell(hub: &Hub, readers: &Readers) -> bool {
    let Event { topic, envelope } = Event::readers(readers, Uuid::now_v7());
    let message = Message {
        msg_id: envelope.msg_id(),
        subject: topic.subject(),
        body: envelope.to_json().into(),
    };
    hub.bus.publish(&message).await.is_ok()
}
