//! Moderation.

use askama::Template;

use super::{AdminNav, Filter};
use crate::views::{Layout, Pager, When};

/// `GET /admin/comments?status=`. Topic: `jobs.<comments queue>` and
/// `comments.<slug>` of the listed. Buttons post to
/// `/admin/comments/{id}/approve` and `/admin/comments/{id}/reject` with the
/// field `status` (the filter to come back to).
#[derive(Debug, Template)]
#[template(path = "admin/comments.html")]
pub struct CommentsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// Pending, approved, rejected.
    pub filters: Vec<Filter>,
    /// The chosen filter: `pending`, `approved`, `rejected`.
    pub status: String,
    /// Topics that tell of a change in this list, e.g. `jobs.comments`.
    pub topics: Vec<String>,
    /// Newest first.
    pub comments: Vec<CommentRow>,
    /// Newer and older comments.
    pub pager: Pager,
}

/// `GET /admin/comments/{id}/delete`; posts to itself.
#[derive(Debug, Template)]
#[template(path = "admin/comment_delete.html")]
pub struct CommentDeletePage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The comment.
    pub comment: CommentRow,
}

/// A comment as a moderator sees it.
#[derive(Debug, Clone)]
pub struct CommentRow {
    /// Its id.
    pub id: String,
    /// The name that its author gave.
    pub author: String,
    /// The address that its author gave.
    pub email: Option<String>,
    /// Sanitised HTML.
    pub html: String,
    /// `pending`, `approved`, `rejected`.
    pub status: String,
    /// What was decided and why, in a few words; none if nothing was.
    pub note: Option<String>,
    /// When it was accepted.
    pub created: When,
    /// The post's name in addresses.
    pub post_slug: String,
    /// The post's title.
    pub post_title: String,
}
