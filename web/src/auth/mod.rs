//! Who is signed in: sessions of browsers, tokens of programs.
//!
//! Authorisation is a type: a handler that takes [`Admin`] cannot be reached
//! by anybody else.

pub mod cookies;
pub mod csrf;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use shared::db::ttl::{self, Session};
use shared::db::users::{self, User};
use shared::signin;

use crate::error::{Error, Result};
use crate::state::AppState;

/// Who is signed in, and how.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who.
    pub user: User,
    /// The browser's session; none for a token.
    pub session: Option<Session>,
}

/// The admin, by session or token; everybody else is turned away.
#[derive(Debug, Clone)]
pub struct Admin(pub User);

/// The admin, or anybody else.
#[derive(Debug, Clone)]
pub struct MaybeAdmin(pub Option<User>);

/// What was found out about a request, so that it is found out once.
#[derive(Clone)]
struct Known(Option<Identity>);

impl FromRequestParts<AppState> for Identity {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        identify(parts, state).await?.ok_or(Error::Unauthorised)
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        Ok(Self(Identity::from_request_parts(parts, state).await?.user))
    }
}

impl FromRequestParts<AppState> for MaybeAdmin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        Ok(Self(identify(parts, state).await?.map(|identity| identity.user)))
    }
}

async fn identify(parts: &mut Parts, state: &AppState) -> Result<Option<Identity>> {
    if let Some(Known(identity)) = parts.extensions.get() {
        return Ok(identity.clone());
    }
    let identity = look_up(&parts.headers, state).await?;
    parts.extensions.insert(Known(identity.clone()));
    Ok(identity)
}

/// A token goes before a cookie, and a wrong one is refused rather than
/// ignored: whoever sends it counts on it. A cookie that is over is ignored.
pub(crate) async fn look_up(headers: &HeaderMap, state: &AppState) -> Result<Option<Identity>> {
    if let Some(token) = bearer(headers)? {
        let user = users::by_token(&state.data, signin::token_hash(token)).await?;
        return user.map(|user| Some(Identity { user, session: None })).ok_or(Error::Unauthorised);
    }
    let name = cookies::session_name(state.config.is_https());
    let Some(token) = cookies::get(headers, name) else {
        return Ok(None);
    };
    let Some(session) = ttl::find_session(&state.ttl, signin::token_hash(token)).await? else {
        return Ok(None);
    };
    let user = users::by_id(&state.data, session.user).await?;
    Ok(user.map(|user| Identity { user, session: Some(session) }))
}

/// The token of an `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| Error::Unauthorised)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Error::Unauthorised),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())])
    }

    #[test]
    fn a_token_is_read_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer(&headers("bearer abc")).unwrap(), Some("abc"));
        assert_eq!(bearer(&HeaderMap::new()).unwrap(), None);
        assert!(bearer(&headers("Basic abc")).is_err());
        assert!(bearer(&headers("abc")).is_err());
    }
}
