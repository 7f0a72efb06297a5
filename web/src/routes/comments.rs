//! Comments: sent by visitors, read by everyone, decided by the admin.

use axum::Json as JsonBody;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;
use shared::db::comments::{self, AcceptError, Comment, NewComment};
use shared::db::ttl::{self, Reserved};
use shared::recipient::{BadPageSession, PageSession};
use std::time::Duration;
use uuid::Uuid;

use super::blog::{self, Typed};
use crate::error::{Error, FieldError, Result, told};
use crate::extract::{Form, Json, Path};
use crate::layers::{Cause, prefers_json};
use crate::once::{self, KEY_MAX};
use crate::page::{self, Frame};
use crate::state::{AppState, Limit};
use crate::validate::{AUTHOR_MAX, COMMENT_MAX, Checks};
use crate::views::comments::CommentErrors;
use crate::views::path_segment;
use crate::visitor::Peer;

/// Bytes of a comment's form or JSON: room for the longest comment with every
/// byte of it escaped.
pub const BODY_MAX: usize = 256 * 1024;
/// Comments of one household.
const LIMIT: Limit = Limit { name: "comments", times: 10, window: Duration::from_secs(60) };

/// A comment as it is sent. What is missing is empty, so that it can be named
/// with all else that is wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Input {
    author: String,
    email: Option<String>,
    body: String,
    parent: Option<String>,
    key: Option<String>,
}

impl Input {
    async fn read(request: Request, state: &AppState) -> Result<Self> {
        let json = is_json(request.headers());
        let mut input = if json {
            Json::<Self>::from_request(request, state).await?.0
        } else {
            Form::<Self>::from_request(request, state).await?.0
        };
        input.author = input.author.trim().to_owned();
        input.body = input.body.replace("\r\n", "\n").trim().to_owned();
        input.email = filled(input.email);
        input.parent = filled(input.parent);
        Ok(input)
    }

    fn check(&self) -> Result<Option<Uuid>> {
        let mut checks = Checks::default();
        checks.line("author", &self.author, 1, AUTHOR_MAX);
        checks.text("body", &self.body, 1, COMMENT_MAX);
        if let Some(email) = &self.email {
            checks.email("email", email);
        }
        let parent = self.parent.as_deref().map(str::parse);
        if let Some(Err(_)) = parent {
            checks.refuse("parent", "it is no comment's id");
        }
        checks.finish()?;
        Ok(parent.and_then(std::result::Result::ok))
    }

    /// What makes two requests the same.
    fn digest(&self, slug: &str) -> String {
        let [email, parent] = [&self.email, &self.parent].map(|it| it.as_deref().unwrap_or(""));
        once::digest(&[slug, &self.author, email, &self.body, parent])
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

/// `POST /posts/{slug}/comments` and `POST /api/v1/posts/{slug}/comments`.
///
/// # Errors
/// When a field cannot be taken, there is no such post, or it was enough for
/// now. A form is then shown again with what was typed.
pub async fn send(
    State(state): State<AppState>,
    frame: Frame,
    Path(slug): Path<String>,
    Cause(cause): Cause,
    peer: Peer,
    request: Request,
) -> Result<Response> {
    let headers = request.headers().clone();
    let as_json = is_json(&headers) || prefers_json(request.uri().path(), &headers);
    let input = Input::read(request, &state).await?;
    let who = state.household(&headers, &peer).await?;
    let visitor = state.visitor(&headers, &peer).await?;
    let page = page_session(&headers)?;
    let sender = Sender { who, visitor, admin: frame.viewer.as_ref().map(|user| user.id), page };
    match accept(&state, &sender, &slug, &input, &headers, cause).await {
        Ok(comment) if as_json => Ok(accepted(&comment, frame.cursor())),
        Ok(comment) => Ok(back(&comment)),
        Err(error) if as_json => Err(error),
        Err(error) => again(&state, &frame, &slug, input, error).await,
    }
}

/// Who sends a comment.
struct Sender {
    /// By address, for limits and retry keys.
    who: String,
    /// By address and browser, for the spam rules.
    visitor: String,
    /// The admin's id, when it is the admin.
    admin: Option<Uuid>,
    /// Whose windows are told what becomes of the comment.
    page: Option<PageSession>,
}

async fn accept(
    state: &AppState,
    sender: &Sender,
    slug: &str,
    input: &Input,
    headers: &HeaderMap,
    cause: Uuid,
) -> Result<Comment> {
    let parent = input.check()?;
    let fresh = Uuid::now_v7();
    let id = match retry_key(headers, input, slug)? {
        Some(key) => reserve(state, sender, key, input.digest(slug), fresh).await?,
        None => fresh,
    };
    if id != fresh
        && let Some(known) = comments::get(&state.data, id).await?
    {
        return Ok(known);
    }
    if sender.admin.is_none() {
        state.take(LIMIT, &sender.who).await?;
    }
    let new = NewComment {
        id,
        post: slug.to_owned(),
        parent,
        author: input.author.clone(),
        email: input.email.clone(),
        body: input.body.clone(),
        trusted: sender.admin.is_some(),
        visitor: Some(sender.visitor.clone()),
        page: sender.page.clone(),
    };
    if let Some(page) = &sender.page {
        ttl::keep_page(&state.ttl, id, page.clone()).await?;
    }
    Ok(comments::accept(&state.data, new, cause).await?)
}

/// Whose windows hear of it: what the browser made up and names in a header.
fn page_session(headers: &HeaderMap) -> Result<Option<PageSession>> {
    let Some(value) = headers.get("x-page-session") else {
        return Ok(None);
    };
    let page = value.to_str().map_err(|_| BadPageSession).and_then(str::parse);
    page.map(Some).map_err(|error| Error::bad_request(format!("X-Page-Session: {error}")))
}

/// The key under which a retry is known: the header's, which stands for one
/// request alone; or the form's, which says only that the same text sent
/// twice from the same page is one comment.
fn retry_key(headers: &HeaderMap, input: &Input, slug: &str) -> Result<Option<String>> {
    if let Some(key) = once::key(headers)? {
        return Ok(Some(format!("header:{key}")));
    }
    let form = input.key.as_ref().filter(|key| (1..=KEY_MAX).contains(&key.len()));
    Ok(form.map(|key| format!("form:{key}:{}", input.digest(slug))))
}

/// Whether the header's key is one that nobody else has, such as a UUID. Then
/// it stands for itself, and is known when the retry comes from another
/// address: a phone that left a tunnel is in another network.
fn is_unguessable(key: &str) -> bool {
    let digits = key.strip_prefix("header:").unwrap_or_default();
    let hex = digits.bytes().filter(u8::is_ascii_hexdigit).count();
    hex >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

async fn reserve(
    state: &AppState,
    sender: &Sender,
    key: String,
    request: String,
    fresh: Uuid,
) -> Result<Uuid> {
    let owner = match sender.admin {
        _ if is_unguessable(&key) => String::new(),
        Some(id) => id.to_string(),
        None => sender.who.clone(),
    };
    let key = format!("comments:{owner}:{key}");
    match ttl::reserve(&state.ttl, key, request, fresh).await? {
        Reserved::Id(id) => Ok(id),
        Reserved::OtherRequest => Err(Error::KeyReused),
    }
}

impl From<AcceptError> for Error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::UnknownPost(_) => Self::NotFound("post"),
            AcceptError::UnknownParent(_) => Self::field("parent", error.to_string()),
            AcceptError::Database(error) => Self::Database(error),
        }
    }
}

fn accepted(comment: &Comment, cursor: &str) -> Response {
    let body = json!({"id": comment.id, "status": comment.status, "cursor": cursor});
    (StatusCode::ACCEPTED, JsonBody(body)).into_response()
}

fn back(comment: &Comment) -> Response {
    let post = path_segment(&comment.post);
    Redirect::to(&format!("/posts/{post}?comment={}#comment-form", comment.id)).into_response()
}

/// Shows the form again with what was typed and what is wrong with it; what
/// is wrong with more than the form stays a fault.
async fn again(
    state: &AppState,
    frame: &Frame,
    slug: &str,
    input: Input,
    error: Error,
) -> Result<Response> {
    let errors = match &error {
        Error::Invalid(fields) => by_field(fields),
        Error::TooMany { .. } => {
            CommentErrors { form: Some(told(&error.to_string())), ..CommentErrors::default() }
        }
        _ => return Err(error),
    };
    let status = error.status();
    let typed = Typed {
        parent: input.parent.and_then(|parent| parent.parse().ok()),
        author: input.author,
        email: input.email.unwrap_or_default(),
        body: input.body,
        errors,
    };
    let page = blog::post_page(state, frame, slug, typed, None).await?;
    let mut response = page::private(&page)?;
    *response.status_mut() = status;
    if let Some(wait) = error.into_response().headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    Ok(response)
}

fn by_field(fields: &[FieldError]) -> CommentErrors {
    let mut errors = CommentErrors::default();
    for FieldError { field, detail } in fields {
        let place = match field.as_ref() {
            "author" => &mut errors.author,
            "email" => &mut errors.email,
            "body" => &mut errors.body,
            _ => &mut errors.form,
        };
        place.get_or_insert_with(|| told(detail));
    }
    errors
}

/// `GET /api/v1/posts/{slug}/comments`: the approved ones, oldest first.
///
/// # Errors
/// When there is no such post to see.
pub async fn of_post(
    State(state): State<AppState>,
    frame: Frame,
    Path(slug): Path<String>,
) -> Result<Response> {
    blog::visible(&state, &slug, frame.is_admin()).await?;
    let items = comments::of_post(&state.data, slug).await?;
    Ok(JsonBody(json!({"items": items, "next": null})).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input {
        Input { author: "Ada".into(), body: "Hello".into(), ..Input::default() }
    }

    #[test]
    fn a_comment_needs_an_author_and_a_body_of_bounded_length() {
        assert!(input().check().is_ok());
        assert!(Input { author: String::new(), ..input() }.check().is_err());
        assert!(Input { author: "a".repeat(81), ..input() }.check().is_err());
        assert!(Input { body: String::new(), ..input() }.check().is_err());
        assert!(Input { body: "ä".repeat(10_000), ..input() }.check().is_ok());
        assert!(Input { body: "ä".repeat(10_001), ..input() }.check().is_err());
        assert!(Input { email: Some("x".into()), ..input() }.check().is_err());
        assert!(Input { parent: Some("x".into()), ..input() }.check().is_err());
    }

    #[test]
    fn two_requests_are_the_same_only_when_every_field_is() {
        let same = input().digest("hello");
        assert_eq!(same, input().digest("hello"));
        assert_ne!(same, input().digest("other"));
        let moved = Input { author: "AdaH".into(), body: "ello".into(), ..input() };
        assert_ne!(same, moved.digest("hello"));
    }

    #[test]
    fn the_header_stands_for_one_request_and_the_form_for_one_text() {
        let sent =
            HeaderMap::from_iter([("idempotency-key".parse().unwrap(), "a".parse().unwrap())]);
        let key = |headers, input: &Input| retry_key(headers, input, "hello").unwrap().unwrap();
        let other = Input { body: "Other".into(), key: Some("k".into()), ..input() };
        let form = Input { key: Some("k".into()), ..input() };
        assert_eq!(key(&sent, &form), key(&sent, &other));
        assert_ne!(key(&HeaderMap::new(), &form), key(&HeaderMap::new(), &other));
        assert_eq!(retry_key(&HeaderMap::new(), &input(), "hello").unwrap(), None);
    }
}
