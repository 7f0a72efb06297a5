//! Comments as the admin lists, decides and deletes them, through the API.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared::db::comments::{self, Comment, CommentStatus};
use shared::db::ttl;
use uuid::Uuid;

use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query, after_id, id, limit};
use crate::layers::Cause;
use crate::state::AppState;

/// How many comments a page of the list holds when nothing is said.
const PAGE: usize = 50;

/// Which comments the admin's list holds.
#[derive(Debug, Deserialize)]
pub struct Asked {
    status: Option<CommentStatus>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/comments`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let limit = limit(asked.limit, PAGE)?;
    let page = comments::list(&state.data, asked.status, after_id(asked.after)?, limit).await?;
    Ok(JsonBody(page).into_response())
}

/// `POST /api/v1/comments/{id}/approve`.
///
/// # Errors
/// When there is no such comment, or it is still being checked.
pub async fn approve(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(comment): Path<String>,
) -> Result<Response> {
    let comment = decide(&state, &comment, CommentStatus::Approved, cause).await?;
    Ok(JsonBody(comment).into_response())
}

/// `POST /api/v1/comments/{id}/reject`.
///
/// # Errors
/// As [`approve`].
pub async fn reject(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(comment): Path<String>,
) -> Result<Response> {
    let comment = decide(&state, &comment, CommentStatus::Rejected, cause).await?;
    Ok(JsonBody(comment).into_response())
}

/// `DELETE /api/v1/comments/{id}`.
///
/// # Errors
/// When there is no such comment.
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    Path(comment): Path<String>,
) -> Result<StatusCode> {
    remove(&state, &comment, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a comment.
///
/// # Errors
/// As [`delete`].
pub async fn remove(state: &AppState, comment: &str, cause: Uuid) -> Result<()> {
    let comment = id(comment, "comment")?;
    let author = ttl::page_of(&state.ttl, comment).await?;
    match comments::delete(&state.data, comment, author, cause).await? {
        true => Ok(()),
        false => Err(Error::NotFound("comment")),
    }
}

/// Carries out the admin's word on a comment.
///
/// # Errors
/// As [`approve`].
pub async fn decide(
    state: &AppState,
    comment: &str,
    status: CommentStatus,
    cause: Uuid,
) -> Result<Comment> {
    let comment = id(comment, "comment")?;
    let author = ttl::page_of(&state.ttl, comment).await?;
    if let Some(decided) = comments::moderate(&state.data, comment, status, author, cause).await? {
        return Ok(decided);
    }
    Err(match comments::get(&state.data, comment).await? {
        Some(_) => Error::Conflict("the comment is still being checked; try again".to_owned()),
        None => Error::NotFound("comment"),
    })
}
