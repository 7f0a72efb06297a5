//! The documents for machines: feed and sitemap.

use askama::Template;

use super::{When, path_segment};

/// `GET /feed.atom`.
#[derive(Debug, Template)]
#[template(path = "feed.xml")]
pub struct Feed {
    /// The site's title.
    pub site_title: String,
    /// The site's description.
    pub site_description: String,
    /// The site's public address without a trailing slash.
    pub site_url: String,
    /// When the newest entry changed; of an empty feed, any fixed moment.
    pub updated: When,
    /// The newest posts.
    pub entries: Vec<FeedEntry>,
}

/// A post in the feed.
#[derive(Debug, Clone)]
pub struct FeedEntry {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// One or two plain sentences.
    pub excerpt: String,
    /// The rendered HTML, with absolute addresses.
    pub html: String,
    /// When it was published.
    pub published: When,
    /// When it was last changed.
    pub updated: When,
    /// Its tags.
    pub tags: Vec<String>,
}

impl FeedEntry {
    /// The post's path.
    #[must_use]
    pub fn href(&self) -> String {
        format!("/posts/{}", path_segment(&self.slug))
    }
}

/// `GET /sitemap.xml`.
#[derive(Debug, Template)]
#[template(path = "sitemap.xml")]
pub struct Sitemap {
    /// The pages, home included.
    pub pages: Vec<SitemapPage>,
}

/// A page for search engines.
#[derive(Debug, Clone)]
pub struct SitemapPage {
    /// Its absolute address.
    pub address: String,
    /// When it last changed.
    pub updated: Option<When>,
}
