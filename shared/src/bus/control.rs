//! What the workers are told at once, and nothing is lost when none hears it.

use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Bus;
use crate::subject::CONTROL;

/// A word to the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Control {
    /// Ask for jobs of the queue anew: it goes on after a pause.
    Pull {
        /// The queue.
        queue: String,
    },
    /// Cut the job off where it runs; that it is not to run is in `data.db`.
    Cancel {
        /// The job.
        job: Uuid,
    },
}

/// The word could not be sent, or not be listened for.
#[derive(Debug, thiserror::Error)]
#[error("cannot speak to the workers: {0}")]
pub struct ControlError(pub(super) String);

impl Bus {
    /// Tells all workers that are there.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn control(&self, word: &Control) -> Result<(), ControlError> {
        let body = serde_json::to_vec(word).expect("words to workers are plain JSON");
        let sent = self.client().publish(CONTROL, body.into()).await;
        sent.map_err(|error| ControlError(error.to_string()))
    }

    /// Hears what workers are told.
    ///
    /// # Errors
    /// When the connection was closed.
    pub async fn controls(&self) -> Result<impl Stream<Item = Control> + use<>, ControlError> {
        let words = self.client().subscribe(CONTROL).await;
        let words = words.map_err(|error| ControlError(error.to_string()))?;
        Ok(words.filter_map(async |word| serde_json::from_slice(&word.payload).ok()))
    }
}
