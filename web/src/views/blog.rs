//! The pages that visitors read: home, post, tag, search.

use askama::Template;

use super::blogroll::BlogrollItem;
use super::comments::{Comment, CommentForm};
use super::{Layout, Pager, When, path_segment};

/// A picture with its variants, sized before it loads.
#[derive(Debug, Clone)]
pub struct Picture {
    /// One per format, best first, e.g. WebP then JPEG.
    pub sources: Vec<PictureSource>,
    /// The address for browsers that know no `srcset`.
    pub src: String,
    /// Width of the original in pixels.
    pub width: u32,
    /// Height of the original in pixels.
    pub height: u32,
    /// The alternative text; empty for decoration.
    pub alt: String,
}

/// The variants of one format.
#[derive(Debug, Clone)]
pub struct PictureSource {
    /// Media type, e.g. `image/webp`.
    pub media_type: String,
    /// As in HTML: `/media/a-320.webp 320w, /media/a-640.webp 640w`.
    pub srcset: String,
}

/// A post in a list.
#[derive(Debug, Clone)]
pub struct PostSummary {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// One or two plain sentences.
    pub excerpt: String,
    /// When it was published.
    pub published: When,
    /// Its tags.
    pub tags: Vec<String>,
    /// Minutes to read it, at least 1.
    pub reading_minutes: u32,
    /// Page views so far.
    pub views: u64,
    /// Readers now; hidden at 0.
    pub readers: u32,
    /// Approved comments.
    pub comments: u64,
    /// The first picture of the post.
    pub picture: Option<Picture>,
}

impl PostSummary {
    /// The post's path.
    #[must_use]
    pub fn href(&self) -> String {
        format!("/posts/{}", path_segment(&self.slug))
    }
}

/// A tag as a link.
#[must_use]
pub fn tag_href(tag: &str) -> String {
    format!("/tags/{}", path_segment(tag))
}

/// A tag and how many published posts have it.
#[derive(Debug, Clone)]
pub struct TagCount {
    /// The tag.
    pub name: String,
    /// Published posts that have it.
    pub posts: u64,
}

/// `GET /`: the newest posts. Topics: `metrics.live`, `metrics.views.<slug>`, and
/// `blogroll` where there is one.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// The frame.
    pub layout: Layout,
    /// The posts of this page, newest first; may be empty.
    pub posts: Vec<PostSummary>,
    /// Readers of the whole site now.
    pub readers: u32,
    /// All tags, most used first.
    pub tags: Vec<TagCount>,
    /// The newest posts of other sites; `None` when no feed is configured.
    pub blogroll: Option<Vec<BlogrollItem>>,
    /// Newer and older posts.
    pub pager: Pager,
}

impl HomePage {
    /// Path of a picture for link previews: the newest post's that has one.
    #[must_use]
    pub fn preview_image(&self) -> Option<&str> {
        let mut pictures = self.posts.iter().filter_map(|post| post.picture.as_ref());
        pictures.next().map(|picture| picture.src.as_str())
    }
}

/// `GET /tags`: every tag.
#[derive(Debug, Template)]
#[template(path = "tags.html")]
pub struct TagsPage {
    /// The frame.
    pub layout: Layout,
    /// All tags, most used first.
    pub tags: Vec<TagCount>,
}

/// `GET /tags/{tag}`: the posts of a tag. Topics as on the home page.
#[derive(Debug, Template)]
#[template(path = "tag.html")]
pub struct TagPage {
    /// The frame.
    pub layout: Layout,
    /// The tag.
    pub tag: String,
    /// How many published posts have it.
    pub total: u64,
    /// The posts of this page, newest first.
    pub posts: Vec<PostSummary>,
    /// Newer and older posts.
    pub pager: Pager,
}

/// `GET /search?q=`: the form, and what was found.
#[derive(Debug, Template)]
#[template(path = "search.html")]
pub struct SearchPage {
    /// The frame.
    pub layout: Layout,
    /// What was asked; empty shows the form alone.
    pub query: String,
    /// What was found, best first.
    pub hits: Vec<SearchHit>,
    /// Earlier and later hits.
    pub pager: Pager,
}

/// One post found.
#[derive(Debug, Clone)]
pub struct SearchHit {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// When it was published.
    pub published: When,
    /// The part of the text that matches, in order; matches are marked.
    pub snippet: Vec<SnippetPart>,
}

/// A run of the text around a match.
#[derive(Debug, Clone)]
pub struct SnippetPart {
    /// Plain text.
    pub text: String,
    /// Whether it matches the query.
    pub hit: bool,
}

/// `GET /posts/{slug}`. Topics: `comments.<slug>`, `metrics.views.<slug>`,
/// `metrics.live`.
#[derive(Debug, Template)]
#[template(path = "post.html")]
pub struct PostPage {
    /// The frame; its notice is shown at the comment form.
    pub layout: Layout,
    /// The post.
    pub post: Post,
    /// Approved comments as a forest, oldest first.
    pub comments: Vec<Comment>,
    /// Approved comments in the forest, replies included.
    pub comment_count: u64,
    /// The form, with what the visitor typed if it was refused.
    pub form: CommentForm,
    /// The post published before this one.
    pub older: Option<PostLink>,
    /// The post published after this one.
    pub newer: Option<PostLink>,
}

/// A post in full.
#[derive(Debug, Clone)]
pub struct Post {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// One or two plain sentences, for search engines and link previews.
    pub excerpt: String,
    /// The rendered, sanitised Markdown.
    pub html: String,
    /// When it was published; drafts have none.
    pub published: Option<When>,
    /// When it was last changed, if after it was published.
    pub updated: Option<When>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Minutes to read it, at least 1.
    pub reading_minutes: u32,
    /// Page views so far.
    pub views: u64,
    /// Readers now.
    pub readers: u32,
    /// Path of a picture for link previews, e.g. `/media/…`.
    pub preview_image: Option<String>,
}

impl Post {
    /// The post's path.
    #[must_use]
    pub fn href(&self) -> String {
        format!("/posts/{}", path_segment(&self.slug))
    }
}

/// A neighbour of a post.
#[derive(Debug, Clone)]
pub struct PostLink {
    /// The post's name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
}
