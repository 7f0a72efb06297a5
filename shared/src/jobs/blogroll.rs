//! The blogroll: the newest posts of other sites.

use serde::{Deserialize, Serialize};

use super::Job;
use crate::time::Instant;

/// Show what a feed holds now in place of what it held before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedChanged {
    /// Its name in `deploy/sources.yml`.
    pub source: String,
    /// Its name on the page.
    pub title: String,
    /// When it was asked: what an earlier answer said does not replace this.
    pub asked_at: Instant,
    /// Its newest entries.
    pub entries: Vec<FeedEntry>,
}

impl Job for FeedChanged {
    const QUEUE: &'static str = "blogroll";
    const KIND: &'static str = "changed";
}

/// One entry of a feed; plain text, and an address of the web.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// What the feed calls it.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its address: http or https.
    pub url: String,
    /// When it was published; when it was first seen, if the feed does not say.
    pub published_at: Option<Instant>,
}
