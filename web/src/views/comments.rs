//! Comments under a post, and the form to write one.

use askama::Template;

use super::When;

/// A comment with its replies; renders as one `<li>`.
#[derive(Debug, Clone, Template)]
#[template(path = "comment.html")]
pub struct Comment {
    /// The comment's id; the element is `#comment-{id}`.
    pub id: String,
    /// The name that its author gave.
    pub author: String,
    /// Sanitised HTML.
    pub html: String,
    /// When it was accepted.
    pub created: When,
    /// Whether the author is the site's admin.
    pub by_admin: bool,
    /// `approved`, or `pending` where its author or an admin sees it.
    pub status: String,
    /// Path of the post, for the reply link.
    pub post_href: String,
    /// Replies, oldest first.
    pub replies: Vec<Comment>,
}

/// `POST /posts/{slug}/comments` with fields `author`, `email`, `body`,
/// `parent`, `key` (the idempotency key of this rendering of the form).
#[derive(Debug, Clone, Default)]
pub struct CommentForm {
    /// Where the form posts to: `/posts/{slug}/comments`.
    pub action: String,
    /// What the visitor typed as name.
    pub author: String,
    /// What the visitor typed as address.
    pub email: String,
    /// What the visitor typed.
    pub body: String,
    /// The comment replied to (`?reply=ID`).
    pub parent: Option<ReplyTo>,
    /// A fresh UUID, so that the same form sent twice is one comment.
    pub key: String,
    /// Why the form was refused, by field; empty at first.
    pub errors: CommentErrors,
    /// Longest name, in characters.
    pub author_max: u32,
    /// Longest comment, in characters.
    pub body_max: u32,
}

/// The comment that is replied to.
#[derive(Debug, Clone)]
pub struct ReplyTo {
    /// Its id.
    pub id: String,
    /// Its author.
    pub author: String,
}

/// A plain sentence for each refused field.
#[derive(Debug, Clone, Default)]
pub struct CommentErrors {
    /// About the name.
    pub author: Option<String>,
    /// About the address.
    pub email: Option<String>,
    /// About the text.
    pub body: Option<String>,
    /// About the form as a whole, e.g. too many comments in a minute.
    pub form: Option<String>,
}
