//! How a compute job ends, and what a worker without a database asks the data
//! worker to keep.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Job;
use crate::envelope::Envelope;

/// How a compute job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeOutcome<T> {
    /// It made this.
    Made(T),
    /// Worth another attempt: the store was away.
    Failed(String),
    /// Never worth another: the input is at fault.
    Refused(String),
    /// It took its worker away, again and again.
    Lost(String),
    /// The admin cancelled it while it ran.
    Cancelled,
}

/// Keep a message that a worker without a database could not read as a dead job.
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
    const QUEUE: &'static str = "results";
    const KIND: &'static str = "poison";
}

/// What came of a job that a program which is not ours has worked on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComputeResult {
    /// The queue that the job came from.
    pub queue: String,
    /// The job, as it came: a retry sends it again.
    pub job: Envelope,
    /// What it made, or why it could not.
    pub outcome: ComputeOutcome<Value>,
}

impl Job for ComputeResult {
    const QUEUE: &'static str = "results";
    const KIND: &'static str = "compute";
}
