//! What an event of the bench says: its number and when it was sent, by the
//! clock that all processes share.

use crate::program::now;

/// Around what is said, so that it is found in any JSON.
const EDGE: &str = "@@";
/// Bytes of the text of an event.
const BYTES: usize = 200;

/// The mark of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub number: u32,
    /// In nanoseconds.
    pub sent: u64,
}

impl Mark {
    /// Of an event that is sent now.
    pub fn now(number: u32) -> Self {
        Self { number, sent: now() }
    }

    /// The shortest text with it.
    pub fn text(self) -> String {
        format!("{EDGE}{}.{}{EDGE}", self.number, self.sent)
    }

    /// A text of 200 bytes.
    pub fn long_text(self) -> String {
        format!("{:x<BYTES$}", self.text())
    }

    /// Finds it in the data of an event.
    pub fn find(data: &str) -> Option<Self> {
        let (number, sent) = data.split(EDGE).nth(1)?.split_once('.')?;
        Some(Self { number: number.parse().ok()?, sent: sent.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_the_text_that_carries_it() {
        let mark = Mark::now(7);
        let text = mark.long_text();
        assert_eq!(text.len(), BYTES);
        assert_eq!(Mark::find(&format!("{{\"text\":\"{text}\"}}")), Some(mark));
        assert_eq!(Mark::find("{\"readers\":3}"), None);
    }
}
