//! Readers now: who is connected, counted, never named.

use std::collections::{HashMap, HashSet};
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
/// Posts that are told at most, those with the most readers: NATS takes a
/// message of 1 MB.
const TOLD: usize = 500;

/// Connections by what they read.
#[derive(Default)]
pub(super) struct Presence {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    site: usize,
    posts: HashMap<Box<str>, usize>,
    /// What connections read, each set once however many read it.
    sets: HashSet<Posts>,
}

type Posts = Arc<[Box<str>]>;

/// One connection that reads; it is not counted any more when dropped.
pub struct Watching {
    presence: Arc<Presence>,
    posts: Posts,
}

impl Hub {
    /// Counts a connection as a reader of the site and of these posts, each
    /// named once.
    #[must_use]
    pub fn watching(&self, posts: Vec<String>) -> Watching {
        let presence = Arc::clone(&self.presence);
        let posts = presence.enter(posts);
        Watching { presence, posts }
    }
}

/// Addresses of the posts that a connection reads, whether or not there are
/// such posts; none for the admin's panel, which would count itself.
pub(super) fn read(topics: &[Topic]) -> Option<Vec<String>> {
    let panel = topics.iter().any(is_of_the_panel);
    (!panel).then(|| topics.iter().filter_map(post).map(str::to_owned).collect())
}

/// The panel follows what no reader may; so are the topics of results.
fn is_of_the_panel(topic: &Topic) -> bool {
    matches!(policy(topic), Some((_, Audience::Admin)) | None)
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
    fn enter(&self, posts: Vec<String>) -> Posts {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.site += 1;
        for post in &posts {
            *counts.posts.entry(post.as_str().into()).or_default() += 1;
        }
        let posts: Vec<Box<str>> = posts.into_iter().map(Into::into).collect();
        if let Some(known) = counts.sets.get(&*posts) {
            return Arc::clone(known);
        }
        let posts = Posts::from(posts);
        counts.sets.insert(Arc::clone(&posts));
        posts
    }

    fn leave(&self, posts: &Posts) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.site -= 1;
        for post in posts.iter() {
            if let Some(count) = counts.posts.get_mut(post) {
                *count -= 1;
                if *count == 0 {
                    counts.posts.remove(post);
                }
            }
        }
        // Nobody else but the set itself holds it.
        if Arc::strong_count(posts) == 2 {
            counts.sets.remove(posts);
        }
    }

    pub(super) fn count(&self) -> Readers {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let posts = counts.posts.iter().map(|(post, count)| (post.to_string(), *count)).collect();
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
        let readers = busiest(hub.presence.count());
        if told.as_ref() != Some(&readers) && tell(&hub, &readers).await {
            told = Some(readers);
        }
    }
}

fn busiest(mut readers: Readers) -> Readers {
    let mut counts: Vec<(String, usize)> = readers.posts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(TOLD);
    readers.posts = counts.into_iter().collect();
    readers
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

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<Topic> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_connection_reads_the_posts_whose_comments_it_watches() {
        let window = topics(&["comments.a", "comments.b", "metrics.views.c"]);
        assert_eq!(read(&window), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read(&topics(&["comments.a", "jobs.comments"])), None);
    }

    #[test]
    fn the_busiest_posts_are_told_and_all_are_counted() {
        let presence = Presence::default();
        let posts: Vec<String> = (0..2 * TOLD).map(|number| format!("post-{number}")).collect();
        let all = presence.enter(posts.clone());
        let half = presence.enter(posts[TOLD..].to_vec());
        let told = busiest(presence.count());
        assert_eq!((told.readers, told.posts.len()), (2, TOLD));
        assert!(told.posts.values().all(|count| *count == 2));
        assert_eq!(presence.count().posts.len(), 2 * TOLD);
        presence.leave(&all);
        presence.leave(&half);
        assert_eq!(presence.count(), Readers::default());
    }

    #[test]
    fn readers_of_the_same_posts_share_their_names() {
        let presence = Presence::default();
        let enter = || presence.enter(vec!["a".to_owned(), "b".to_owned()]);
        let (one, other) = (enter(), enter());
        assert!(Arc::ptr_eq(&one, &other));
        presence.leave(&one);
        drop(one);
        assert_eq!(presence.count().posts["a"], 1);
        presence.leave(&other);
        assert!(presence.counts.lock().unwrap().sets.is_empty());
    }
}
