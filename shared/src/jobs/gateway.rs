//! The gateway: what other sites are asked for, and what goes on from there.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{Job, Travel};
use crate::time::Instant;

/// Ask a source whether it has changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollSource {
    /// Its name in `deploy/sources.yml`.
    pub source: String,
    /// Which of its scheduled polls this is: only the newest one counts. One
    /// that was asked for by hand has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<i64>,
}

impl Job for PollSource {
    const QUEUE: &'static str = "gateway";
    const KIND: &'static str = "poll";
    const TRAVEL: Travel = Travel::Alone;
}

/// What a source said that is new: the payload of `jobs.<to>.changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceChanged {
    /// Its name in `deploy/sources.yml`.
    pub source: String,
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// Its media type, as it was told.
    #[serde(rename = "type")]
    pub media_type: Option<String>,
    /// When it was asked.
    pub asked_at: Instant,
    /// The answer: JSON as it is, anything else as text.
    pub body: Value,
}

impl SourceChanged {
    /// The kind of the job.
    pub const KIND: &'static str = "changed";
}
