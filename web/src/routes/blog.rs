//! Home, posts and tags.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::db::comments::{self, CommentStatus};
use shared::db::posts::{self, Filter, Post, PostStatus};
use uuid::Uuid;

use super::present::{self, count};
use super::{sources, thread};
use crate::error::{Error, Result};
use crate::extract::{Path, Query, after_moment};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::validate::{AUTHOR_MAX, COMMENT_MAX};
use crate::views::blog::{HomePage, PostLink, PostPage, TagCount, TagPage, TagsPage, tag_href};
use crate::views::comments::{CommentErrors, CommentForm, ReplyTo};
use crate::views::{Notice, Pager, path_segment, query_value};

/// Posts of one page.
const PAGE: usize = 12;

/// Where a list goes on.
#[derive(Debug, Deserialize)]
pub struct After {
    after: Option<String>,
}

/// `GET /`.
///
/// # Errors
/// When the database fails.
pub async fn home(
    State(state): State<AppState>,
    frame: Frame,
    Query(query): Query<After>,
) -> Result<Response> {
    let (posts, pager) = page_of_posts(&state, None, query.after, "/").await?;
    let tags = all_tags(&state).await?;
    page::public(&HomePage {
        layout: frame.layout().await?,
        posts: present::summaries(&state, posts).await?,
        readers: present::readers(state.hub.readers()),
        tags,
        blogroll: sources::blogroll(&state).await?,
        pager,
    })
}

/// Tags of published posts, most used first.
async fn all_tags(state: &AppState) -> Result<Vec<TagCount>> {
    let tags = posts::tags(&state.data).await?.into_iter();
    let mut tags: Vec<TagCount> =
        tags.map(|(name, posts)| TagCount { name, posts: count(posts) }).collect();
    tags.sort_by(|a, b| b.posts.cmp(&a.posts).then_with(|| a.name.cmp(&b.name)));
    Ok(tags)
}

/// `GET /tags`.
///
/// # Errors
/// When the database fails.
pub async fn tags(State(state): State<AppState>, frame: Frame) -> Result<Response> {
    page::public(&TagsPage { layout: frame.layout().await?, tags: all_tags(&state).await? })
}

/// `GET /tags/{tag}`.
///
/// # Errors
/// When no published post has the tag.
pub async fn tag(
    State(state): State<AppState>,
    frame: Frame,
    Path(tag): Path<String>,
    Query(query): Query<After>,
) -> Result<Response> {
    let tags = posts::tags(&state.data).await?;
    let total = tags.into_iter().find(|(name, _)| *name == tag).map(|(_, posts)| posts);
    let total = count(total.ok_or(Error::NotFound("tag"))?);
    let base = tag_href(&tag);
    let (posts, pager) = page_of_posts(&state, Some(tag.clone()), query.after, &base).await?;
    let posts = present::summaries(&state, posts).await?;
    page::public(&TagPage { layout: frame.layout().await?, tag, total, posts, pager })
}

async fn page_of_posts(
    state: &AppState,
    tag: Option<String>,
    after: Option<String>,
    base: &str,
) -> Result<(Vec<Post>, Pager)> {
    let after = after_moment(after)?;
    let newer = after.is_some().then(|| base.to_owned());
    let status = Some(PostStatus::Published);
    let found = posts::list(&state.data, Filter { status, tag, after, limit: PAGE }).await?;
    let older = found.next.map(|next| format!("{base}?after={}", query_value(&next)));
    Ok((found.items, Pager { newer, older, ..Pager::default() }))
}

/// What the address of a post says besides.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The comment that is answered.
    reply: Option<String>,
    /// The comment that was just sent.
    comment: Option<String>,
}

/// `GET /posts/{slug}`. The admin also sees what is not published.
///
/// # Errors
/// When there is no such post.
pub async fn post(
    State(state): State<AppState>,
    frame: Frame,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let id = |text: Option<String>| text.and_then(|text| text.parse::<Uuid>().ok());
    let notice = match id(asked.comment) {
        Some(id) => sent_notice(&state, id).await?,
        None => None,
    };
    let typed = Typed { parent: id(asked.reply), ..Typed::default() };
    let page = post_page(&state, &frame, &slug, typed, notice).await?;
    page::public(&page)
}

/// What a visitor typed into the comment form, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Typed {
    /// The name.
    pub author: String,
    /// The address.
    pub email: String,
    /// The text.
    pub body: String,
    /// The comment that is answered.
    pub parent: Option<Uuid>,
    /// What was refused.
    pub errors: CommentErrors,
}

/// The page of a post.
///
/// # Errors
/// When there is no such post to see.
pub async fn post_page(
    state: &AppState,
    frame: &Frame,
    slug: &str,
    typed: Typed,
    notice: Option<Notice>,
) -> Result<PostPage> {
    let post = visible(state, slug, frame.is_admin()).await?;
    let thread = comments::of_post(&state.data, slug.to_owned()).await?;
    let (newer, older) = posts::neighbours(&state.data, &post).await?;
    let link = |(slug, title): (String, String)| PostLink { slug, title };
    let parent = typed.parent.and_then(|id| thread.iter().find(|comment| comment.id == id));
    let parent = parent
        .map(|comment| ReplyTo { id: comment.id.to_string(), author: comment.author.clone() });
    Ok(PostPage {
        layout: frame.layout_with(notice).await?,
        form: form(slug, frame, typed, parent),
        comment_count: thread.len() as u64,
        comments: thread::forest(thread),
        post: present::post(state, post).await?,
        older: older.map(link),
        newer: newer.map(link),
    })
}

/// The post, if it may be seen.
///
/// # Errors
/// When it may not, or is not there.
pub async fn visible(state: &AppState, slug: &str, admin: bool) -> Result<Post> {
    let post = posts::get(&state.data, slug.to_owned()).await?;
    post.filter(|post| admin || post.status == PostStatus::Published).ok_or(Error::NotFound("post"))
}

/// The form's key is the page's own place in time, so that a page that a
/// browser kept is still the same page; see [`super::comments`].
fn form(slug: &str, frame: &Frame, typed: Typed, parent: Option<ReplyTo>) -> CommentForm {
    let fits = |max: usize| u32::try_from(max).unwrap_or(u32::MAX);
    CommentForm {
        action: format!("/posts/{}/comments", path_segment(slug)),
        author: typed.author,
        email: typed.email,
        body: typed.body,
        parent,
        key: format!("page-{}", frame.cursor()),
        errors: typed.errors,
        author_max: fits(AUTHOR_MAX),
        body_max: fits(COMMENT_MAX),
    }
}

/// What became of the comment that was just sent.
async fn sent_notice(state: &AppState, id: Uuid) -> Result<Option<Notice>> {
    let Some(comment) = comments::get(&state.data, id).await? else {
        return Ok(None);
    };
    Ok(Some(match comment.status {
        CommentStatus::Approved => Notice::good("Thank you. Your comment is published."),
        CommentStatus::Pending if comment.html.is_empty() => Notice::info(
            "Thank you. Your comment is kept, and appears in a moment; reload the page to see it.",
        ),
        CommentStatus::Pending => {
            Notice::info("Thank you. Your comment is kept, and waits for a look before it appears.")
        }
        CommentStatus::Rejected => Notice::info("This comment was not published."),
    }))
}
