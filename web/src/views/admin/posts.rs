//! Writing posts.

use askama::Template;

use super::images::ImageCard;
use super::{AdminNav, Filter};
use crate::views::blog::Post;
use crate::views::{Layout, Pager, When, path_segment};

/// `GET /admin/posts?status=`.
#[derive(Debug, Template)]
#[template(path = "admin/posts.html")]
pub struct PostsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// All, draft, scheduled, published.
    pub filters: Vec<Filter>,
    /// Newest change first.
    pub posts: Vec<PostRow>,
    /// Newer and older posts.
    pub pager: Pager,
}

/// A post in the admin's list.
#[derive(Debug, Clone)]
pub struct PostRow {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// `draft`, `scheduled` or `published`.
    pub status: String,
    /// When it was, or (of a scheduled post) will be, published.
    pub publish_at: Option<When>,
    /// When it was last changed.
    pub updated: When,
    /// Page views.
    pub views: u64,
    /// Approved comments.
    pub comments: u64,
}

impl PostRow {
    /// The page on which it is edited.
    #[must_use]
    pub fn edit_href(&self) -> String {
        format!("/admin/posts/{}/edit", path_segment(&self.slug))
    }

    /// The post's path.
    #[must_use]
    pub fn href(&self) -> String {
        format!("/posts/{}", path_segment(&self.slug))
    }
}

/// `GET /admin/posts/new` and `GET /admin/posts/{slug}/edit`, each posting to
/// itself: `title`, `slug`, `markdown`, `tags` (comma-separated), `status`,
/// `publish_at` (UTC, `YYYY-MM-DDThh:mm`, may be empty), `version` (of the post
/// that was read; empty for a new one). The preview button posts the same
/// fields to `/admin/preview`.
#[derive(Debug, Template)]
#[template(path = "admin/post_form.html")]
pub struct PostFormPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The slug that the post has now; none for a new one.
    pub saved_slug: Option<String>,
    /// What the fields hold.
    pub form: PostForm,
    /// Why the form was refused.
    pub errors: PostErrors,
    /// Ready images, newest first, to pick from.
    pub images: Vec<ImageCard>,
}

impl PostFormPage {
    /// Where the form posts to, which is also its own address.
    #[must_use]
    pub fn action(&self) -> String {
        match &self.saved_slug {
            Some(slug) => format!("/admin/posts/{}/edit", path_segment(slug)),
            None => "/admin/posts/new".into(),
        }
    }
}

/// The fields of a post as text.
#[derive(Debug, Clone, Default)]
pub struct PostForm {
    /// The title.
    pub title: String,
    /// The name in addresses; empty lets the server make one from the title.
    pub slug: String,
    /// The text.
    pub markdown: String,
    /// Tags, separated by commas.
    pub tags: String,
    /// `draft`, `published` or `scheduled`.
    pub status: String,
    /// `YYYY-MM-DDThh:mm` in UTC, or empty.
    pub publish_at: String,
    /// The version that the fields were read from; empty for a new post.
    pub version: String,
}

/// A plain sentence for each refused field.
#[derive(Debug, Clone, Default)]
pub struct PostErrors {
    /// About the title.
    pub title: Option<String>,
    /// About the name in addresses.
    pub slug: Option<String>,
    /// About the text.
    pub markdown: Option<String>,
    /// About the tags.
    pub tags: Option<String>,
    /// About the date.
    pub publish_at: Option<String>,
    /// About the whole, e.g. someone else changed the post meanwhile.
    pub form: Option<String>,
}

/// `POST /admin/preview`: the post as it would look, not saved. The editor's
/// script takes the element `[data-preview]` out of it.
#[derive(Debug, Template)]
#[template(path = "admin/preview.html")]
pub struct PreviewPage {
    /// The frame.
    pub layout: Layout,
    /// The post as it would be.
    pub post: Post,
}

/// `GET /admin/posts/{slug}/delete`; posts to itself.
#[derive(Debug, Template)]
#[template(path = "admin/post_delete.html")]
pub struct PostDeletePage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The post.
    pub post: PostRow,
}
