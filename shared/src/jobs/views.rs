//! Page views: many travel packed in one job.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Job, Travel};
use crate::time::Instant;

/// Count these page views, in one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountViews {
    /// The views, in order of arrival.
    pub hits: Vec<Hit>,
}

impl Job for CountViews {
    const QUEUE: &'static str = "views";
    const KIND: &'static str = "pack";
    // It is a pack already.
    const TRAVEL: Travel = Travel::Alone;
}

/// One page view. It holds no address: the visitor is a salted hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its own id.
    pub id: Uuid,
    /// When the beacon came.
    pub at: Instant,
    /// Path of the page, without a query.
    pub path: String,
    /// Salted hash of address and user agent.
    pub visitor: String,
    /// Host of the referring page.
    pub referrer: Option<String>,
    /// Title of the page.
    pub title: Option<String>,
    /// Browser's family.
    pub browser: Option<String>,
    /// System's family.
    pub system: Option<String>,
    /// Width of the window in CSS pixels.
    pub width: Option<u32>,
}
