//! The admin's posts: list, editor, preview, deletion.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::images::{self, ImageStatus};
use shared::db::posts::{self, Filter, Post, PostDraft, PostStatus, SaveError};
use shared::db::{comments, views};
use shared::time::Instant;
use uuid::Uuid;

use super::super::posts::{check, render, tags};
use super::super::present::{self, count, when};
use super::images::card;
use super::{address, filter, nav, pager};
use crate::auth::Admin;
use crate::error::{Error, FieldError, Result, told};
use crate::extract::{Form, Path, Query, after_moment};
use crate::layers::Cause;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::validate::slug_of;
use crate::views::admin::posts::{
    PostDeletePage, PostErrors, PostForm, PostFormPage, PostRow, PostsPage, PreviewPage,
};
use crate::views::{Notice, path_segment};

/// Posts of one page.
const PAGE: usize = 30;
/// Images to pick from in the editor.
const IMAGES: usize = 48;

/// Which posts.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    status: String,
    after: Option<String>,
}

/// `GET /admin/posts`.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let status: Option<PostStatus> = asked.status.parse().ok();
    let word = status.map_or("", PostStatus::as_str);
    let base = |after: &str| address("/admin/posts", &[("status", word), ("after", after)]);
    let first = asked.after.is_none();
    let filter = Filter { status, tag: None, after: after_moment(asked.after)?, limit: PAGE };
    let found = posts::list(&state.data, filter).await?;
    page::private(&PostsPage {
        layout: frame.layout().await?,
        nav: nav(&state).await?,
        filters: filters(status),
        posts: rows(&state, found.items).await?,
        pager: pager(first, found.next, base),
    })
}

fn filters(chosen: Option<PostStatus>) -> Vec<crate::views::admin::Filter> {
    let one = |status: Option<PostStatus>| {
        let word = status.map_or("", PostStatus::as_str);
        let label = if word.is_empty() { "all" } else { word };
        filter(label, address("/admin/posts", &[("status", word)]), status == chosen, None)
    };
    let statuses = [PostStatus::Draft, PostStatus::Scheduled, PostStatus::Published];
    std::iter::once(None).chain(statuses.map(Some)).map(one).collect()
}

async fn rows(state: &AppState, posts: Vec<Post>) -> Result<Vec<PostRow>> {
    let slugs = posts.iter().map(|post| post.slug.clone()).collect();
    let read = views::of_posts(&state.data, slugs).await?;
    let answered = comments::counts(&state.data).await?;
    let row = |post: Post| PostRow {
        views: count(read.get(&post.slug).copied().unwrap_or_default().views),
        comments: count(answered.get(&post.slug).copied().unwrap_or(0)),
        status: post.status.as_str().to_owned(),
        publish_at: match post.status {
            PostStatus::Published => post.published_at.map(when),
            PostStatus::Scheduled => post.publish_at.map(when),
            PostStatus::Draft => None,
        },
        updated: when(post.updated_at),
        slug: post.slug,
        title: post.title,
    };
    Ok(posts.into_iter().map(row).collect())
}

/// `GET /admin/posts/new`.
///
/// # Errors
/// When the database fails.
pub async fn new(State(state): State<AppState>, _: Admin, frame: Frame) -> Result<Response> {
    let form = PostForm { status: "draft".to_owned(), ..PostForm::default() };
    let page = editor(&state, &frame, None, form, PostErrors::default(), None).await?;
    page::private(&page)
}

/// What the address of the editor says besides.
#[derive(Debug, Deserialize)]
pub struct Edited {
    saved: Option<String>,
}

/// `GET /admin/posts/{slug}/edit`.
///
/// # Errors
/// When there is no such post.
pub async fn edit(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(slug): Path<String>,
    Query(edited): Query<Edited>,
) -> Result<Response> {
    let post = posts::get(&state.data, slug.clone()).await?.ok_or(Error::NotFound("post"))?;
    let notice = edited.saved.map(|_| Notice::good("The post is saved."));
    let form = form_of(post);
    let page = editor(&state, &frame, Some(slug), form, PostErrors::default(), notice).await?;
    page::private(&page)
}

fn form_of(post: Post) -> PostForm {
    PostForm {
        title: post.title,
        slug: post.slug,
        markdown: post.markdown,
        tags: post.tags.join(", "),
        status: post.status.as_str().to_owned(),
        publish_at: post.publish_at.map(|at| when(at).input()).unwrap_or_default(),
        version: post.version.to_string(),
    }
}

async fn editor(
    state: &AppState,
    frame: &Frame,
    saved_slug: Option<String>,
    form: PostForm,
    errors: PostErrors,
    notice: Option<Notice>,
) -> Result<PostFormPage> {
    let library = images::list(&state.data, None, IMAGES).await?.items;
    let ready = library.iter().filter(|image| image.status == ImageStatus::Ready);
    Ok(PostFormPage {
        layout: frame.layout_with(notice).await?,
        nav: nav(state).await?,
        saved_slug,
        form,
        errors,
        images: ready.map(card).collect(),
    })
}

/// The fields as they were typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    title: String,
    slug: String,
    markdown: String,
    tags: String,
    status: String,
    publish_at: String,
    version: String,
}

impl Typed {
    fn draft(&self) -> Result<PostDraft> {
        let title = self.title.trim().to_owned();
        let typed: Vec<String> = self.tags.split(',').map(str::to_owned).collect();
        let slug = self.slug.trim();
        Ok(PostDraft {
            slug: if slug.is_empty() { slug_of(&title) } else { slug.to_owned() },
            title,
            markdown: self.markdown.replace("\r\n", "\n"),
            tags: tags(&typed),
            status: self.status.parse().unwrap_or(PostStatus::Draft),
            publish_at: date(&self.publish_at)?,
        })
    }

    fn version(&self) -> Option<i64> {
        self.version.parse().ok()
    }

    fn form(self) -> PostForm {
        let Self { title, slug, markdown, tags, status, publish_at, version } = self;
        PostForm { title, slug, markdown, tags, status, publish_at, version }
    }
}

/// The value of an `<input type="datetime-local">`, in UTC.
fn date(text: &str) -> Result<Option<Instant>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = if text.matches(':').count() == 1 { ":00Z" } else { "Z" };
    let at = Instant::parse(&format!("{text}{seconds}"));
    at.map(Some).map_err(|_| {
        Error::field("publish_at", "it takes a date and a time, such as 2026-11-21T08:00")
    })
}

/// `POST /admin/posts/new`.
///
/// # Errors
/// When the database fails; what is wrong with fields is shown in the form.
pub async fn create(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Cause(cause): Cause,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    match save(&state, None, &typed, cause).await {
        Ok(post) => Ok(to_editor(&post)),
        Err(error) => again(&state, &frame, None, typed, error).await,
    }
}

/// `POST /admin/posts/{slug}/edit`.
///
/// # Errors
/// As [`create`].
pub async fn update(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Cause(cause): Cause,
    Path(slug): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    match save(&state, Some(slug.clone()), &typed, cause).await {
        Ok(post) => Ok(to_editor(&post)),
        Err(error) => again(&state, &frame, Some(slug), typed, error).await,
    }
}

fn to_editor(post: &Post) -> Response {
    let slug = path_segment(&post.slug);
    Redirect::to(&format!("/admin/posts/{slug}/edit?saved")).into_response()
}

async fn save(state: &AppState, slug: Option<String>, typed: &Typed, cause: Uuid) -> Result<Post> {
    let draft = typed.draft()?;
    let mut checks = check(&draft);
    if draft.slug.is_empty() {
        checks.forget("slug");
        if !draft.title.is_empty() {
            checks.refuse("slug", "no address can be made from this title; write one");
        }
    }
    checks.finish()?;
    let html = render(draft.markdown.clone()).await?;
    let saved = match slug {
        None => posts::create(&state.data, draft, html, cause).await,
        Some(slug) => posts::update(&state.data, slug, draft, html, typed.version(), cause).await,
    };
    saved.map_err(|error| match error {
        SaveError::SlugTaken(_) => Error::field("slug", error.to_string()),
        other => other.into(),
    })
}

/// Shows the form again with what was typed and what is wrong with it.
async fn again(
    state: &AppState,
    frame: &Frame,
    slug: Option<String>,
    typed: Typed,
    error: Error,
) -> Result<Response> {
    let errors = match &error {
        Error::Invalid(fields) => by_field(fields),
        Error::PreconditionFailed(_) => PostErrors {
            form: Some(
                "Somebody changed this post meanwhile. What you typed is still here; open the \
                 post in another window to see what changed, then save again from there."
                    .to_owned(),
            ),
            ..PostErrors::default()
        },
        _ => return Err(error),
    };
    let status = match error {
        Error::PreconditionFailed(_) => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = editor(state, frame, slug, typed.form(), errors, None).await?;
    Ok((status, page::private(&page)?).into_response())
}

fn by_field(fields: &[FieldError]) -> PostErrors {
    let mut errors = PostErrors::default();
    for FieldError { field, detail } in fields {
        let place = match field.as_ref() {
            "title" => &mut errors.title,
            "slug" => &mut errors.slug,
            "markdown" => &mut errors.markdown,
            "tags" => &mut errors.tags,
            "publish_at" => &mut errors.publish_at,
            _ => &mut errors.form,
        };
        place.get_or_insert_with(|| told(detail));
    }
    errors
}

/// `POST /admin/preview`: the post as it would look; nothing is saved.
///
/// # Errors
/// When the database fails.
pub async fn preview(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let title = typed.title.trim().to_owned();
    let slug = if typed.slug.is_empty() { slug_of(&title) } else { typed.slug };
    let html = render(typed.markdown.replace("\r\n", "\n")).await?;
    let now = Instant::now();
    let typed_tags: Vec<String> = typed.tags.split(',').map(str::to_owned).collect();
    let post = Post {
        id: Uuid::nil(),
        slug,
        title: if title.is_empty() { "Without a title".to_owned() } else { title },
        markdown: String::new(),
        html: html.html,
        excerpt: html.excerpt,
        words: html.words,
        tags: tags(&typed_tags),
        status: PostStatus::Draft,
        publish_at: None,
        published_at: None,
        created_at: now,
        updated_at: now,
        version: 0,
    };
    let layout = frame.layout().await?;
    page::private(&PreviewPage { layout, post: present::post(&state, post).await? })
}

/// `GET /admin/posts/{slug}/delete`.
///
/// # Errors
/// When there is no such post.
pub async fn confirm(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(slug): Path<String>,
) -> Result<Response> {
    let post = posts::get(&state.data, slug).await?.ok_or(Error::NotFound("post"))?;
    let row = rows(&state, vec![post]).await?.pop().ok_or(Error::NotFound("post"))?;
    let (layout, nav) = (frame.layout().await?, nav(&state).await?);
    page::private(&PostDeletePage { layout, nav, post: row })
}

/// `POST /admin/posts/{slug}/delete`.
///
/// # Errors
/// When there is no such post.
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Path(slug): Path<String>,
) -> Result<Response> {
    posts::delete(&state.data, slug, None).await?;
    Ok(Redirect::to("/admin/posts").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editors_date_is_in_utc() {
        let at = date("2026-11-21T08:00").unwrap().unwrap();
        assert_eq!(at, Instant::parse("2026-11-21T08:00:00Z").unwrap());
        assert_eq!(date(" ").unwrap(), None);
        assert!(date("tomorrow").is_err());
    }

    #[test]
    fn a_post_without_a_slug_gets_one_from_its_title() {
        let typed = Typed { title: "Hello there".into(), ..Typed::default() };
        assert_eq!(typed.draft().unwrap().slug, "hello-there");
    }
}
