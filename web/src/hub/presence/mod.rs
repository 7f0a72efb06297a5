//! Readers now: who is connected, counted, never named.
//!
//! Each process counts its own connections, tells the others its counts
//! (`tell`), and adds up what it hears (`others`). One of them, the oldest that
//! knows the posts, tells visitors the sum (`speak`): as an event like any
//! other, so that it has a place in the stream.

mod others;
mod own;
mod speak;
mod tell;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use shared::bus::presence::{Presence as Told, Word};
use shared::db::Data;
use shared::events::Readers;
use shared::subject::Topic;
use uuid::Uuid;

use self::others::Others;
use self::own::{Own, Posts};
use super::Hub;
use super::policy::{Audience, policy};

pub(super) use tell::{farewell, run};

/// Readers of all processes, as this one knows them.
pub(super) struct Presence {
    process: Uuid,
    began: Instant,
    /// How many words were said to the other processes.
    words: AtomicU64,
    own: Mutex<Own>,
    others: Mutex<Others>,
    /// The newest sum that visitors were told, whoever told it.
    newest: Mutex<Option<Bytes>>,
}

/// One connection that reads; it is not counted any more when dropped.
pub struct Watching {
    presence: Arc<Presence>,
    posts: Posts,
}

impl Drop for Watching {
    fn drop(&mut self) {
        lock(&self.presence.own).leave(&self.posts);
    }
}

impl Hub {
    /// Counts a connection as a reader of the site and of these posts, each
    /// named once.
    #[must_use]
    pub fn watching(&self, posts: Vec<String>) -> Watching {
        let presence = Arc::clone(&self.presence);
        let posts = lock(&presence.own).enter(posts);
        Watching { presence, posts }
    }

    /// Readers of the site now.
    #[must_use]
    pub fn readers(&self) -> usize {
        lock(&self.presence.own).site() + lock(&self.presence.others).site()
    }

    /// Readers of a post now.
    #[must_use]
    pub fn readers_of(&self, post: &str) -> usize {
        lock(&self.presence.own).post(post) + lock(&self.presence.others).post(post)
    }

    /// Lets this process tell visitors how many readers there are, when it is
    /// its turn. `data` knows which posts there are: a visitor may have asked
    /// for comments of others.
    pub fn speak_of_readers(&self, data: Data) {
        lock(&self.presence.own).speaks = true;
        tokio::spawn(speak::run(self.clone(), data));
    }
}

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            process: Uuid::now_v7(),
            began: Instant::now(),
            words: AtomicU64::new(0),
            own: Mutex::default(),
            others: Mutex::default(),
            newest: Mutex::default(),
        }
    }

    /// Takes note of an event that visitors are told.
    pub(super) fn note(&self, topic: &Topic, body: &Bytes) {
        if topic.is_readers() {
            *lock(&self.newest) = Some(body.clone());
        }
    }

    fn newest(&self) -> Option<Bytes> {
        lock(&self.newest).clone()
    }

    /// The readers of all processes.
    fn sum(&self) -> Readers {
        let mut readers = lock(&self.own).count();
        lock(&self.others).add_to(&mut readers);
        readers
    }

    /// Milliseconds since the process began.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&self, word: Word) -> Told {
        let number = self.words.fetch_add(1, Ordering::Relaxed) + 1;
        Told { process: self.process, number, word }
    }

    fn hear(&self, told: Told) {
        if told.process != self.process {
            lock(&self.others).hear(told, self.now());
        }
    }

    /// Forgets who fell silent; while NATS is away (`hearing` is false) nobody
    /// did.
    fn look_round(&self, hearing: bool) {
        lock(&self.others).look_round(self.now(), hearing);
    }

    /// Whether it is this process that tells visitors the sum.
    fn is_speaker(&self) -> bool {
        lock(&self.others).leave_the_word_to(self.process, self.now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Addresses of the posts that a connection reads, whether or not there are
/// such posts; none for the admin's panel, which would count itself. Who
/// follows nothing but what concerns them reads nothing.
pub(super) fn read(topics: &[Topic]) -> Option<Vec<String>> {
    let panel = topics.iter().any(is_of_the_panel);
    let reads = !topics.iter().all(Topic::is_of_a_user);
    (reads && !panel).then(|| topics.iter().filter_map(post).map(str::to_owned).collect())
}

/// The panel follows what no reader may; so are the topics of results.
fn is_of_the_panel(topic: &Topic) -> bool {
    matches!(policy(topic), Some((_, Audience::Admin)) | None)
}

/// A reader of a post watches its comments; a list watches counters alone.
fn post(topic: &Topic) -> Option<&str> {
    topic.as_str().strip_prefix("comments.")
}

/// The `most` posts with the most readers.
fn busiest(mut readers: Readers, most: usize) -> Readers {
    if readers.posts.len() > most {
        let mut counts: Vec<(String, usize)> = readers.posts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.truncate(most);
        readers.posts = counts.into_iter().collect();
    }
    readers
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
        let own = "users.page-00112233445566778899aabbccddeeff";
        assert_eq!(read(&topics(&[own])), None);
        assert_eq!(read(&topics(&[own, "metrics.live"])), Some(Vec::new()));
    }

    #[test]
    fn the_busiest_posts_are_told_and_all_readers_counted() {
        let posts = (0..10).map(|number| (format!("post-{number}"), number)).collect();
        let told = busiest(Readers { readers: 45, posts }, 3);
        assert_eq!(told.readers, 45);
        assert_eq!(told.posts.into_values().collect::<Vec<_>>(), [7, 8, 9]);
    }
}
