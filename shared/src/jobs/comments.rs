//! Comments.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Job;
use crate::recipient::PageSession;

/// Render, check and publish or hold a comment that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckComment {
    /// The comment.
    pub comment: Uuid,
    /// Whose windows are told what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageSession>,
}

impl Job for CheckComment {
    const QUEUE: &'static str = "comments";
    const KIND: &'static str = "check";
}
