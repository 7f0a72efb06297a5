//! The newest posts of other sites.

use super::When;

/// A post of another site.
#[derive(Debug, Clone)]
pub struct BlogrollItem {
    /// The site's name.
    pub site: String,
    /// The post's title.
    pub title: String,
    /// Its address: http or https.
    pub url: String,
    /// When it was published.
    pub published: When,
}
