//! Posts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Job;

/// Publish a scheduled post, when it is still scheduled for then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishPost {
    /// The post.
    pub post: Uuid,
}

impl Job for PublishPost {
    const QUEUE: &'static str = "posts";
    const KIND: &'static str = "publish";
}
