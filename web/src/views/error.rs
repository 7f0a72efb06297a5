//! The page for everything that went wrong.

use askama::Template;

use super::Layout;
use super::admin::AdminNav;

/// 404 and every other refusal or failure that a person sees.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The frame.
    pub layout: Layout,
    /// The HTTP status.
    pub status: u16,
    /// A few words, e.g. `Page not found`.
    pub title: String,
    /// A plain sentence or two: what happened and what to do.
    pub message: String,
    /// The id under which the logs know the request.
    pub request_id: String,
}

/// The same inside the admin's panel.
#[derive(Debug, Template)]
#[template(path = "admin/error.html")]
pub struct AdminErrorPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The HTTP status.
    pub status: u16,
    /// A few words.
    pub title: String,
    /// A plain sentence or two.
    pub message: String,
    /// The id under which the logs know the request.
    pub request_id: String,
}

/// `GET /offline`: what the service worker shows in place of a page that it
/// has no copy of.
#[derive(Debug, Template)]
#[template(path = "offline.html")]
pub struct OfflinePage {
    /// The frame.
    pub layout: Layout,
}
