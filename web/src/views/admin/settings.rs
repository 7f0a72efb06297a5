//! The site's settings.

use askama::Template;

use super::AdminNav;
use crate::views::Layout;

/// `GET /admin/settings`; posts `title`, `description` and `posting`
/// to itself.
#[derive(Debug, Template)]
#[template(path = "admin/settings.html")]
pub struct SettingsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The site's title.
    pub title: String,
    /// The site's description.
    pub description: String,
    /// Why the title was refused.
    pub title_error: Option<String>,
    /// Why the description was refused.
    pub description_error: Option<String>,
    /// When a comment is shown to its author: `safe`, `optimistic` or `brave`.
    pub posting: &'static str,
    /// Why the mode was refused.
    pub posting_error: Option<String>,
    /// `none`, `suspicious`, `first` or `all`; from the environment.
    pub moderation: String,
    /// Where sign-in mail goes; from the environment.
    pub admin_email: String,
    /// The version of the software.
    pub version: String,
}
