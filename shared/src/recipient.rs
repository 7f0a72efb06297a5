//! Whose windows an event is for: a user's, or those of a visitor without a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PREFIX: &str = "page-";
/// 128 bits.
const DIGITS: usize = 32;

/// What the windows of one visitor's browser share for a day: a random word that
/// the browser made. Nobody can guess it, so who knows it may watch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageSession(String);

/// A text that is no page session. It is not repeated: it may be nearly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a page session is {PREFIX} and {DIGITS} random hexadecimal digits in lower case, such as \
     page-00112233445566778899aabbccddeeff"
)]
pub struct BadPageSession;

impl FromStr for PageSession {
    type Err = BadPageSession;

    fn from_str(text: &str) -> Result<Self, BadPageSession> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.strip_prefix(PREFIX) {
            Some(digits) if digits.len() == DIGITS && digits.bytes().all(is_digit) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(BadPageSession),
        }
    }
}

impl TryFrom<String> for PageSession {
    type Error = BadPageSession;

    fn try_from(text: String) -> Result<Self, BadPageSession> {
        text.parse()
    }
}

impl From<PageSession> for String {
    fn from(page: PageSession) -> Self {
        page.0
    }
}

impl fmt::Display for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// It opens what it names, so that no log may hold it.
impl fmt::Debug for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageSession(…)")
    }
}

/// Whose windows: the word after `users.` in a topic, and the `user-id` of what
/// is told there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Somebody who is signed in.
    User(Uuid),
    /// A visitor without a name.
    Page(PageSession),
}

impl Recipient {
    /// Reads the word; a user's id is taken in its usual form alone, which no
    /// page session has.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let page = || word.parse().ok().map(Self::Page);
        let id = word.parse::<Uuid>().ok().filter(|id| id.to_string() == word);
        id.map(Self::User).or_else(page)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Page(page) => page.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "page-00112233445566778899aabbccddeeff";

    #[test]
    fn a_user_and_a_page_session_are_never_taken_for_each_other() {
        let user = Uuid::now_v7();
        assert_eq!(Recipient::parse(&user.to_string()), Some(Recipient::User(user)));
        assert_eq!(Recipient::parse(PAGE), Some(Recipient::Page(PAGE.parse().unwrap())));
        let simple = user.simple().to_string();
        for none in ["", "page-", "me", &simple, &PAGE[5..], &format!("page-{user}")] {
            assert_eq!(Recipient::parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_page_session_is_128_bits_and_in_no_log() {
        for none in ["page-00112233445566778899AABBCCDDEEFF", &PAGE[..36], &format!("{PAGE}0")] {
            assert_eq!(none.parse::<PageSession>(), Err(BadPageSession), "{none:?}");
        }
        let page: PageSession = PAGE.parse().unwrap();
        assert!(!format!("{page:?}").contains("0011"));
    }
}
