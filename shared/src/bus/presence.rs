//! What the processes that serve visitors tell each other of their readers.
//! Counts alone travel, and nothing is stored.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Bus;
use crate::events::Readers;
use crate::subject::PRESENCE;

/// How long a farewell may take to leave the process.
const FAREWELL: Duration = Duration::from_secs(1);

/// A word of one process about its readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The process; another one after each start.
    pub process: Uuid,
    /// Grows with each word of the process.
    pub number: u64,
    /// The word.
    pub word: Word,
}

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Word {
    /// It is there.
    Here {
        /// Whether it may tell visitors the sum: it knows which posts there are.
        speaks: bool,
        /// Its own readers, all of them.
        #[serde(flatten)]
        readers: Readers,
    },
    /// It ends, and has no readers any more.
    Gone,
}

/// The word could not be sent, or not be listened for.
#[derive(Debug, thiserror::Error)]
#[error("cannot speak to the other processes: {0}")]
pub struct PresenceError(String);

impl PresenceError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Bus {
    /// Tells the other processes that are there.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn tell_presence(&self, presence: &Presence) -> Result<(), PresenceError> {
        let body = serde_json::to_vec(presence).expect("counts are plain JSON");
        self.client().publish(PRESENCE, body.into()).await.map_err(PresenceError::new)
    }

    /// Tells them the last word, and waits until it has left the process.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn tell_last_presence(&self, presence: &Presence) -> Result<(), PresenceError> {
        self.tell_presence(presence).await?;
        let sent = tokio::time::timeout(FAREWELL, self.client().flush()).await;
        sent.map_err(PresenceError::new)?.map_err(PresenceError::new)
    }

    /// Hears what processes say, this one too. What another version says and
    /// this one does not know is left out.
    ///
    /// # Errors
    /// When the connection was closed.
    pub async fn presences(&self) -> Result<impl Stream<Item = Presence> + use<>, PresenceError> {
        let words = self.client().subscribe(PRESENCE).await.map_err(PresenceError::new)?;
        Ok(words.filter_map(async |word| serde_json::from_slice(&word.payload).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_counts_and_a_process_and_nothing_else() {
        let posts = [("hello".to_owned(), 2)].into();
        let word = Word::Here { speaks: true, readers: Readers { readers: 3, posts } };
        let presence = Presence { process: Uuid::nil(), number: 7, word };
        let json = serde_json::to_string(&presence).unwrap();
        assert_eq!(
            json,
            r#"{"process":"00000000-0000-0000-0000-000000000000","number":7,"word":{"is":"here","speaks":true,"readers":3,"posts":{"hello":2}}}"#
        );
        assert_eq!(serde_json::from_str::<Presence>(&json).unwrap(), presence);
        let gone =
            r#"{"process":"00000000-0000-0000-0000-000000000000","number":8,"word":{"is":"gone"}}"#;
        assert_eq!(serde_json::from_str::<Presence>(gone).unwrap().word, Word::Gone);
    }
}
