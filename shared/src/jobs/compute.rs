//! What a compute worker, which has no database, asks the data worker to keep.

use serde::{Deserialize, Serialize};

use super::Job;

/// Keep a message that a compute worker could not read as a dead job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeepPoison {
    /// Names the message: its stream, sequence and time.
    pub message: String,
    /// The queue that it came from.
    pub queue: String,
    /// The kind that its subject names.
    pub kind: String,
    /// Its bytes, in base64.
    pub body: String,
    /// Why it could not be read.
    pub reason: String,
}

impl Job for KeepPoison {
    const QUEUE: &'static str = "image-results";
    const KIND: &'static str = "poison";
}
