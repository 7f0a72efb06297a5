//! Topics by their shape: `comments.*`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{TOPIC_MAX, Topic, is_word};

/// Stands for any one word.
const ANY: &str = "*";

/// A topic, in which `*` stands for any one word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// A pattern that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no pattern of topics: it takes words of a-z, 0-9, - and _, or * for any one word, \
     joined by dots, {TOPIC_MAX} bytes at most, such as metrics.views or comments.*"
)]
pub struct BadPattern(String);

impl Pattern {
    /// Whether the topic is of this shape.
    #[must_use]
    pub fn covers(&self, topic: &Topic) -> bool {
        self.meets(topic.as_str())
    }

    /// Whether there can be a topic of this shape and of `other`, which may
    /// have `*` for a word too.
    #[must_use]
    pub fn meets(&self, other: &str) -> bool {
        let (mut own, mut others) = (self.0.split('.'), other.split('.'));
        loop {
            match (own.next(), others.next()) {
                (None, None) => return true,
                (Some(one), Some(two)) if one == two || one == ANY || two == ANY => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let fits = text.len() <= TOPIC_MAX && text.split('.').all(|it| it == ANY || is_word(it));
        let shown = || text.chars().take(TOPIC_MAX).collect();
        if fits { Ok(Self(text.to_owned())) } else { Err(BadPattern(shown())) }
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, topic: &str, expect: bool) {
        let pattern: Pattern = pattern.parse().unwrap();
        assert_eq!(pattern.covers(&topic.parse().unwrap()), expect, "{pattern} and {topic}");
    }

    #[test]
    fn a_star_is_one_word_and_no_more() {
        check("comments.*", "comments.hello", true);
        check("comments.hello", "comments.hello", true);
        check("comments.hello", "comments.hello-2", false);
        check("metrics.*", "metrics.live", true);
        check("metrics.*", "metrics.views.hello", false);
        check("metrics.*.*", "metrics.views", false);
        check("*", "blogroll", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "comments.", "comments.a*", "comments.>", "a b", &"a.".repeat(101)] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?} was taken");
        }
    }
}
