//! The readers of this process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use shared::events::Readers;

/// Connections by what they read.
#[derive(Default)]
pub(super) struct Own {
    /// Whether this process may tell visitors the sum of all.
    pub(super) speaks: bool,
    site: usize,
    posts: HashMap<Box<str>, usize>,
    /// What connections read, each set once however many read it.
    sets: HashSet<Posts>,
}

pub(super) type Posts = Arc<[Box<str>]>;

impl Own {
    pub(super) fn enter(&mut self, posts: Vec<String>) -> Posts {
        self.site += 1;
        for post in &posts {
            *self.posts.entry(post.as_str().into()).or_default() += 1;
        }
        let posts: Vec<Box<str>> = posts.into_iter().map(Into::into).collect();
        if let Some(known) = self.sets.get(&*posts) {
            return Arc::clone(known);
        }
        let posts = Posts::from(posts);
        self.sets.insert(Arc::clone(&posts));
        posts
    }

    pub(super) fn leave(&mut self, posts: &Posts) {
        self.site -= 1;
        for post in posts.iter() {
            if let Some(count) = self.posts.get_mut(post) {
                *count -= 1;
                if *count == 0 {
                    self.posts.remove(post);
                }
            }
        }
        // Nobody else but the set itself holds it.
        if Arc::strong_count(posts) == 2 {
            self.sets.remove(posts);
        }
    }

    pub(super) fn site(&self) -> usize {
        self.site
    }

    pub(super) fn post(&self, post: &str) -> usize {
        self.posts.get(post).copied().unwrap_or(0)
    }

    pub(super) fn count(&self) -> Readers {
        let posts = self.posts.iter().map(|(post, count)| (post.to_string(), *count)).collect();
        Readers { readers: self.site, posts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_once_for_the_site_and_once_for_each_post() {
        let mut own = Own::default();
        let two = own.enter(vec!["a".to_owned(), "b".to_owned()]);
        let one = own.enter(vec!["b".to_owned()]);
        assert_eq!((own.site(), own.post("a"), own.post("b"), own.post("c")), (2, 1, 2, 0));
        own.leave(&two);
        own.leave(&one);
        assert_eq!(own.count(), Readers::default());
    }

    #[test]
    fn readers_of_the_same_posts_share_their_names() {
        let mut own = Own::default();
        let mut enter = || own.enter(vec!["a".to_owned(), "b".to_owned()]);
        let (one, other) = (enter(), enter());
        assert!(Arc::ptr_eq(&one, &other));
        own.leave(&one);
        drop(one);
        assert_eq!(own.post("a"), 1);
        own.leave(&other);
        assert!(own.sets.is_empty());
    }
}
