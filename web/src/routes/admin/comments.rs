//! `GET /admin/comments`, and deciding on one.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::comments::{self, CommentStatus, Moderated};
use shared::jobs::Job as _;
use shared::jobs::comments::CheckComment;
use shared::subject::Topic;

use super::super::moderation::{decide, remove};
use super::super::present::when;
use super::{address, filter, nav, pager};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{self, Form, Path, Query, after_id};
use crate::layers::Cause;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::admin::Filter;
use crate::views::admin::comments::{CommentDeletePage, CommentRow, CommentsPage};

/// Comments of one page.
const PAGE: usize = 30;
const STATUSES: [CommentStatus; 3] =
    [CommentStatus::Pending, CommentStatus::Approved, CommentStatus::Rejected];

/// Which comments.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    status: String,
    after: Option<String>,
}

/// Shows the comments of a status; those that wait, unless told otherwise.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let status = CommentStatus::parse(&asked.status).unwrap_or(CommentStatus::Pending);
    let first = asked.after.is_none();
    let found = comments::list(&state.data, Some(status), after_id(asked.after)?, PAGE).await?;
    let base =
        |after: &str| address("/admin/comments", &[("status", status.as_str()), ("after", after)]);
    let nav = nav(&state).await?;
    page::private(&CommentsPage {
        layout: frame.layout().await?,
        filters: filters(status, nav.pending_comments),
        nav,
        status: status.as_str().to_owned(),
        topics: topics(&found.items),
        pager: pager(first, found.next, base),
        comments: found.items.into_iter().map(shown).collect(),
    })
}

fn filters(chosen: CommentStatus, pending: u64) -> Vec<Filter> {
    let one = |status: CommentStatus| {
        let href = address("/admin/comments", &[("status", status.as_str())]);
        let count = (status == CommentStatus::Pending).then_some(pending);
        filter(status.as_str(), href, status == chosen, count)
    };
    STATUSES.into_iter().map(one).collect()
}

/// Every check tells of itself by its queue, every decision by its post.
fn topics(listed: &[Moderated]) -> Vec<String> {
    let mut topics = vec![Topic::jobs(CheckComment::QUEUE).to_string()];
    topics.extend(listed.iter().map(|row| Topic::comments(&row.comment.post).to_string()));
    topics.sort_unstable();
    topics.dedup();
    topics
}

fn shown(row: Moderated) -> CommentRow {
    CommentRow {
        id: row.comment.id.to_string(),
        author: row.comment.author,
        email: row.email,
        html: row.comment.html,
        status: row.comment.status.as_str().to_owned(),
        note: row.reason.map(|reason| note(row.comment.status, &reason)),
        created: when(row.comment.created_at),
        post_slug: row.comment.post,
        post_title: row.post_title,
    }
}

/// What was decided, and why.
fn note(status: CommentStatus, reason: &str) -> String {
    let decided = match status {
        CommentStatus::Pending => "Held",
        CommentStatus::Approved => "Approved",
        CommentStatus::Rejected => "Rejected",
    };
    let colon = if reason.starts_with("by ") { "" } else { ":" };
    format!("{decided}{colon} {reason}")
}

/// The filter to come back to.
#[derive(Debug, Deserialize)]
pub struct Back {
    #[serde(default)]
    status: String,
}

/// `POST /admin/comments/{id}/approve`.
///
/// # Errors
/// When there is no such comment.
pub async fn approve(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(id): Path<String>,
    Form(back): Form<Back>,
) -> Result<Response> {
    decide(&state, &id, CommentStatus::Approved, cause).await?;
    Ok(to_list(&back))
}

/// `POST /admin/comments/{id}/reject`.
///
/// # Errors
/// When there is no such comment.
pub async fn reject(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(id): Path<String>,
    Form(back): Form<Back>,
) -> Result<Response> {
    decide(&state, &id, CommentStatus::Rejected, cause).await?;
    Ok(to_list(&back))
}

/// `GET /admin/comments/{id}/delete`.
///
/// # Errors
/// When there is no such comment.
pub async fn confirm(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(id): Path<String>,
) -> Result<Response> {
    let id = extract::id(&id, "comment")?;
    let found = comments::moderated(&state.data, id).await?.ok_or(Error::NotFound("comment"))?;
    let (layout, nav) = (frame.layout().await?, nav(&state).await?);
    page::private(&CommentDeletePage { layout, nav, comment: shown(found) })
}

/// `POST /admin/comments/{id}/delete`.
///
/// # Errors
/// When there is no such comment.
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(id): Path<String>,
    Form(back): Form<Back>,
) -> Result<Response> {
    remove(&state, &id, cause).await?;
    Ok(to_list(&back))
}

fn to_list(back: &Back) -> Response {
    let status = CommentStatus::parse(&back.status).unwrap_or(CommentStatus::Pending);
    let href = address("/admin/comments", &[("status", status.as_str())]);
    Redirect::to(&href).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_was_decided() {
        assert_eq!(note(CommentStatus::Approved, "by the admin"), "Approved by the admin");
        assert_eq!(note(CommentStatus::Pending, "many links"), "Held: many links");
    }
}
