//! Posts through the API, and what the admin's editor shares with it.

use std::collections::HashMap;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use shared::db::posts::{self, Filter, Post, PostDraft, PostStatus, SaveError};
use shared::db::{comments, images};
use shared::markdown::{self, Rendered};
use shared::time::Instant;
use uuid::Uuid;

use super::{blog, present};
use crate::auth::{Admin, MaybeAdmin};
use crate::error::{Error, Result};
use crate::extract::{Json, Path, Query, after_moment, limit};
use crate::layers::Cause;
use crate::state::AppState;
use crate::validate::{Checks, MARKDOWN_MAX, TAG_MAX, TAGS_MAX, TITLE_MAX, slug_of};

/// Bytes of a post's form or JSON.
pub const BODY_MAX: usize = 2 * 1024 * 1024;
/// Posts of one page of the list.
const PAGE: usize = 20;
/// How often a change is tried again when another one came between.
const TRIES: usize = 5;

/// A post as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPost {
    slug: Option<String>,
    title: String,
    #[serde(default)]
    markdown: String,
    #[serde(default)]
    tags: Vec<String>,
    status: Option<PostStatus>,
    publish_at: Option<Instant>,
}

impl NewPost {
    fn draft(self) -> PostDraft {
        PostDraft {
            slug: self.slug.unwrap_or_else(|| slug_of(&self.title)),
            title: self.title.trim().to_owned(),
            markdown: self.markdown,
            tags: tags(&self.tags),
            status: self.status.unwrap_or(PostStatus::Draft),
            publish_at: self.publish_at,
        }
    }
}

/// What is to change of a post; the rest stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    slug: Option<String>,
    title: Option<String>,
    markdown: Option<String>,
    tags: Option<Vec<String>>,
    status: Option<PostStatus>,
    /// `null` takes the date away.
    #[serde(default, deserialize_with = "present_value")]
    publish_at: Option<Option<Instant>>,
}

fn present_value<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<Instant>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Change {
    fn on(&self, post: &Post) -> PostDraft {
        let text = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        PostDraft {
            slug: text(&self.slug, &post.slug),
            title: text(&self.title, &post.title).trim().to_owned(),
            markdown: text(&self.markdown, &post.markdown),
            tags: self.tags.as_deref().map_or_else(|| post.tags.clone(), tags),
            status: self.status.unwrap_or(post.status),
            publish_at: self.publish_at.unwrap_or(post.publish_at),
        }
    }
}

/// Tags in one spelling: trimmed, in small letters, each once.
#[must_use]
pub fn tags(typed: &[String]) -> Vec<String> {
    let spell = |tag: &String| tag.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut tags: Vec<String> = typed.iter().map(spell).filter(|tag| !tag.is_empty()).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Checks every field of a post.
#[must_use]
pub fn check(draft: &PostDraft) -> Checks {
    let mut checks = Checks::default();
    checks.line("title", &draft.title, 1, TITLE_MAX);
    checks.slug("slug", &draft.slug);
    if draft.markdown.len() > MARKDOWN_MAX {
        let kib = MARKDOWN_MAX / 1024;
        checks.refuse("markdown", format!("it is longer than {kib} KiB"));
    }
    if draft.tags.len() > TAGS_MAX {
        checks.refuse("tags", format!("{TAGS_MAX} tags at most are taken"));
    }
    for tag in &draft.tags {
        checks.line("tags", tag, 1, TAG_MAX);
        if tag.contains([',', '/']) {
            checks.refuse("tags", format!("{tag:?} holds a comma or a slash"));
        }
    }
    if draft.status == PostStatus::Scheduled && draft.publish_at.is_none() {
        checks.refuse("publish_at", "a scheduled post needs its time");
    }
    checks
}

/// Renders a post off the threads that serve others.
///
/// # Errors
/// When the renderer panics.
pub async fn render(text: String) -> Result<Rendered> {
    let rendered = tokio::task::spawn_blocking(move || markdown::render_post(&text)).await;
    rendered.map_err(|error| Error::Internal(format!("a post could not be rendered: {error}")))
}

/// `POST /api/v1/posts`.
///
/// # Errors
/// When a field cannot be taken, or another post has the slug.
pub async fn create(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Json(new): Json<NewPost>,
) -> Result<Response> {
    let draft = new.draft();
    check(&draft).finish()?;
    let html = render(draft.markdown.clone()).await?;
    let post = posts::create(&state.data, draft, html, cause).await?;
    let location = format!("/api/v1/posts/{}", post.slug);
    let location = HeaderValue::try_from(location).expect("a slug is plain text");
    let mut response = one(&state, post, false).await?;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Which posts a list holds, and with what.
#[derive(Debug, Deserialize)]
pub struct Asked {
    status: Option<PostStatus>,
    tag: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    include: Option<String>,
}

impl Asked {
    fn with_comments(&self) -> Result<bool> {
        match self.include.as_deref() {
            None | Some("") => Ok(false),
            Some("comments") => Ok(true),
            Some(other) => {
                Err(Error::bad_request(format!("include takes comments; got {other:?}")))
            }
        }
    }
}

/// `GET /api/v1/posts`. Only the admin is given what is not published.
///
/// # Errors
/// When a parameter cannot be taken, or the status is for the admin alone.
pub async fn list(
    State(state): State<AppState>,
    MaybeAdmin(admin): MaybeAdmin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let with_comments = asked.with_comments()?;
    let status = match (asked.status, &admin) {
        (Some(status), None) if status != PostStatus::Published => return Err(Error::Unauthorised),
        (None, None) => Some(PostStatus::Published),
        (status, _) => status,
    };
    let limit = limit(asked.limit, PAGE)?;
    let after = after_moment(asked.after)?;
    let filter = Filter { status, tag: asked.tag, after, limit };
    let page = posts::list(&state.data, filter).await?;
    let mut items = Vec::new();
    for post in page.items {
        items.push(shown(&state, post, with_comments).await?);
    }
    Ok(JsonBody(json!({"items": items, "next": page.next})).into_response())
}

/// `GET /api/v1/posts/{slug}`.
///
/// # Errors
/// When there is no such post to see.
pub async fn get(
    State(state): State<AppState>,
    MaybeAdmin(admin): MaybeAdmin,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let post = blog::visible(&state, &slug, admin.is_some()).await?;
    one(&state, post, asked.with_comments()?).await
}

async fn one(state: &AppState, post: Post, with_comments: bool) -> Result<Response> {
    let etag = HeaderValue::try_from(format!("\"{}\"", post.version));
    let etag = etag.expect("a number is plain text");
    let body = JsonBody(shown(state, post, with_comments).await?);
    Ok(([(header::ETAG, etag)], body).into_response())
}

/// A post as the API gives it: with its pictures in its HTML.
async fn shown(state: &AppState, post: Post, with_comments: bool) -> Result<Value> {
    let images = images::get_all(&state.data, markdown::image_ids(&post.html)).await?;
    let html = present::with_images(&post.html, &images);
    let mut body = serde_json::to_value(Post { html, ..post })
        .map_err(|error| Error::Internal(format!("a post is no JSON: {error}")))?;
    if with_comments {
        let slug = body["slug"].as_str().unwrap_or_default().to_owned();
        body["comments"] = json!(comments::of_post(&state.data, slug).await?);
    }
    Ok(body)
}

/// `PATCH /api/v1/posts/{slug}`.
///
/// # Errors
/// When there is no such post, a field cannot be taken, or the post is no
/// longer the version of `If-Match`.
pub async fn update(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Json(change): Json<Change>,
) -> Result<Response> {
    let seen = if_match(&headers)?;
    let mut tries = 0;
    loop {
        tries += 1;
        match apply(&state, &slug, &change, seen, cause).await {
            // Without If-Match the change goes onto whatever is there.
            Err(Error::PreconditionFailed(_)) if seen.is_none() && tries < TRIES => {}
            Err(error) => return Err(error),
            Ok(post) => return one(&state, post, false).await,
        }
    }
}

async fn apply(
    state: &AppState,
    slug: &str,
    change: &Change,
    seen: Option<i64>,
    cause: Uuid,
) -> Result<Post> {
    let old = posts::get(&state.data, slug.to_owned()).await?.ok_or(Error::NotFound("post"))?;
    let draft = change.on(&old);
    check(&draft).finish()?;
    let html = render(draft.markdown.clone()).await?;
    let version = seen.unwrap_or(old.version);
    let saved = posts::update(&state.data, old.slug, draft, html, Some(version), cause).await;
    saved.map_err(|error: SaveError| error.into())
}

/// `DELETE /api/v1/posts/{slug}`.
///
/// # Errors
/// As [`update`].
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    posts::delete(&state.data, slug, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The version that `If-Match` names; none when any will do.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let version = version.and_then(|version| version.parse().ok());
    let unknown = || {
        let problem = format!("If-Match takes the ETag of the post, such as \"3\"; got {text}");
        Error::PreconditionFailed(problem)
    };
    version.map(Some).ok_or_else(unknown)
}

/// Titles of posts by slug, for lists that hold slugs.
///
/// # Errors
/// When the database fails.
pub async fn titles(state: &AppState, slugs: &[String]) -> Result<HashMap<String, String>> {
    let mut titles = HashMap::new();
    for slug in slugs {
        if let Some(post) = posts::get(&state.data, slug.clone()).await? {
            titles.insert(post.slug, post.title);
        }
    }
    Ok(titles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> PostDraft {
        PostDraft {
            slug: "hello".into(),
            title: "Hello".into(),
            markdown: String::new(),
            tags: Vec::new(),
            status: PostStatus::Draft,
            publish_at: None,
        }
    }

    #[test]
    fn a_scheduled_post_needs_its_time() {
        assert!(check(&draft()).finish().is_ok());
        let scheduled = PostDraft { status: PostStatus::Scheduled, ..draft() };
        assert_eq!(check(&scheduled).errors()[0].field, "publish_at");
    }

    #[test]
    fn tags_have_one_spelling() {
        let typed = ["  The  Hub", "sse", "SSE", ""].map(str::to_owned);
        assert_eq!(tags(&typed), ["sse", "the hub"]);
    }

    #[test]
    fn if_match_takes_an_etag_or_a_star() {
        let headers =
            |value: &str| HeaderMap::from_iter([(header::IF_MATCH, value.parse().unwrap())]);
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert_eq!(if_match(&headers("*")).unwrap(), None);
        assert_eq!(if_match(&headers("\"3\"")).unwrap(), Some(3));
        assert!(if_match(&headers("3")).is_err());
    }

    #[test]
    fn a_date_of_null_is_told_from_none() {
        let change = |json: &str| serde_json::from_str::<Change>(json).unwrap().publish_at;
        assert_eq!(change("{}"), None);
        assert_eq!(change("{\"publish_at\":null}"), Some(None));
    }
}
