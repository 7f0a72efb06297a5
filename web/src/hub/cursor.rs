//! A client's place in the events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// `<epoch>-<seq>`: a life of the EVENTS stream, and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Tells one life of the stream from another.
    pub epoch: Arc<str>,
    /// The newest event that the client has, or that its page shows.
    pub seq: u64,
}

impl Cursor {
    /// A place in no life of the stream: who is there needs a reset.
    pub(super) fn nowhere() -> Self {
        Self { epoch: "0".into(), seq: 0 }
    }
}

/// A cursor that this site did not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what an event's id or a page's data-cursor holds, such as 5f3a1c-42")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (epoch, seq) = text.rsplit_once('-').ok_or(BadCursor)?;
        let hex = (1..=32).contains(&epoch.len()) && epoch.chars().all(|c| c.is_ascii_hexdigit());
        match seq.parse() {
            Ok(seq) if hex => Ok(Self { epoch: epoch.into(), seq }),
            _ => Err(BadCursor),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor: Cursor = "5f3a1c-42".parse().unwrap();
        assert_eq!((cursor.seq, cursor.to_string().as_str()), (42, "5f3a1c-42"));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "42", "-42", "x y-1", "5f-", "5f-1x", "5f-99999999999999999999"] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text:?}");
        }
    }
}
