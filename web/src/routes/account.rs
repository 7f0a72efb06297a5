//! Where one is signed in, and signing out.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use shared::db::tokens::{self, TOKEN_ID};
use shared::db::ttl::{self, SESSION_IDLE, SESSION_MAX, Session};
use shared::db::users;
use shared::events::UserNews;
use shared::time::Instant;
use uuid::Uuid;

use super::present::when;
use crate::auth::{Identity, cookies};
use crate::error::{Error, Result};
use crate::extract::{Path, id};
use crate::hits::agent;
use crate::layers::Cause;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::account::{AccountPage, Session as Shown, Token};

/// `GET /account`.
///
/// # Errors
/// When nobody is signed in.
pub async fn page(
    State(state): State<AppState>,
    frame: Frame,
    identity: Identity,
) -> Result<Response> {
    let current = identity.session.map(|session| session.id);
    let mut sessions: Vec<Shown> = ttl::sessions_of(&state.ttl, identity.user.id)
        .await?
        .into_iter()
        .map(|session| shown(session, current))
        .collect();
    sessions.sort_by_key(|session| !session.current);
    let tokens = tokens::list(&state.data, identity.user.id).await?;
    let tokens = tokens.into_iter().map(token).collect();
    page::private(&AccountPage { layout: frame.layout().await?, sessions, tokens })
}

fn token(token: tokens::Token) -> Token {
    let tokens::Token { id, name, watch, created_at, expires_at } = token;
    let over = expires_at.is_some_and(|end| end <= Instant::now());
    let (created, expires) = (when(created_at), expires_at.map(when));
    Token { id, name, watch: watch.shapes(), created, expires, over }
}

fn shown(session: Session, current: Option<Uuid>) -> Shown {
    let idle = session.last_seen_at.plus(SESSION_IDLE);
    Shown {
        browser: browser(&session.user_agent),
        created: when(session.created_at),
        used: when(session.last_seen_at),
        expires: when(session.created_at.plus(SESSION_MAX).min(idle)),
        current: current == Some(session.id),
        id: session.id.to_string(),
    }
}

/// A browser in words.
fn browser(user_agent: &str) -> String {
    match (agent::browser(user_agent), agent::system(user_agent)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Another program".to_owned(),
    }
}

/// `POST /account/sessions/{id}/revoke`.
///
/// # Errors
/// When there is no such session.
pub async fn revoke(
    State(state): State<AppState>,
    identity: Identity,
    Cause(cause): Cause,
    Path(session): Path<String>,
) -> Result<Response> {
    let session = id(&session, "session")?;
    match end(&state, identity.user.id, session, cause).await? {
        true => Ok(Redirect::to("/account").into_response()),
        false => Err(Error::NotFound("session")),
    }
}

/// Ends a session, and tells the windows that were open in it.
///
/// # Errors
/// When the databases fail.
pub(super) async fn end(state: &AppState, user: Uuid, session: Uuid, cause: Uuid) -> Result<bool> {
    let ended = ttl::end_session(&state.ttl, user, session).await?;
    // Also when it was ended before: that may have failed in between.
    users::tell(&state.data, user, UserNews::SessionEnded {}, cause).await?;
    Ok(ended)
}

/// `POST /account/tokens/{id}/revoke`.
///
/// # Errors
/// When there is no such token.
pub async fn revoke_token(
    State(state): State<AppState>,
    identity: Identity,
    Cause(cause): Cause,
    Path(token): Path<String>,
) -> Result<Response> {
    // A name is no address: it may be that of several.
    let is_id = token.len() == TOKEN_ID && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id && tokens::revoke(&state.data, identity.user.id, token, cause).await? > 0 {
        return Ok(Redirect::to("/account").into_response());
    }
    Err(Error::NotFound("token"))
}

/// `POST /signout`.
///
/// # Errors
/// When the session cannot be ended.
pub async fn sign_out(
    State(state): State<AppState>,
    identity: Identity,
    Cause(cause): Cause,
) -> Result<Response> {
    if let Some(session) = &identity.session {
        end(&state, identity.user.id, session.id, cause).await?;
    }
    let https = state.config.is_https();
    let cookie = cookies::set(cookies::session_name(https), "", Duration::ZERO, https);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/signin?out")).into_response())
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_named_in_words() {
        assert_eq!(browser("Mozilla/5.0 (X11; Linux) Firefox/140.0"), "Firefox on Linux");
        assert_eq!(browser("curl/8.0"), "Another program");
    }
}
