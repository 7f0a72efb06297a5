//! Comments.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Job;

/// Render, check and publish or hold a comment that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckComment {
    /// The comment.
    pub comment: Uuid,
}

impl Job for CheckComment {
    const QUEUE: &'static str = "comments";
    const KIND: &'static str = "check";
}
