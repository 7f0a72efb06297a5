//! What programs that are not ours say of how far their jobs are.

use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use uuid::Uuid;

use super::Bus;
use super::control::ControlError;
use crate::subject;

/// Of several workers one hears each report.
const GROUP: &str = "workers";

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The job's id.
    pub job: Uuid,
    /// Its kind.
    pub kind: String,
    /// The attempt under way.
    pub attempt: u32,
    /// From 0 to 1.
    pub progress: f32,
}

/// A message of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The queue that its subject names.
    pub queue: String,
    /// What it says; or why that cannot be read.
    pub progress: Result<Progress, String>,
}

impl Bus {
    /// Hears what programs say of their jobs.
    ///
    /// # Errors
    /// When the connection was closed.
    pub async fn reports(&self) -> Result<impl Stream<Item = Report> + use<>, ControlError> {
        let group = GROUP.to_owned();
        let heard = self.client().queue_subscribe(subject::ALL_PROGRESS, group).await;
        let heard = heard.map_err(|error| ControlError(error.to_string()))?;
        Ok(heard.map(|message| Report {
            queue: subject::queue_of_progress(&message.subject).to_owned(),
            progress: serde_json::from_slice(&message.payload)
                .map_err(|error| format!("{}: {error}", message.subject)),
        }))
    }
}
