//! Who is signed in: sessions of browsers, tokens of programs.
//!
//! Authorisation is a type: a handler that takes [`Admin`] cannot be reached
//! by anybody else.

pub mod cookies;
pub mod csrf;
pub mod desk;
pub mod proof;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use shared::db::ttl::Session;
use shared::db::users::User;

use crate::error::{Error, Result};
use crate::state::AppState;
use proof::{Holder, Proof};

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

/// Who is signed in. A token that may only watch is refused: it is of use at
/// `/events` alone.
pub(crate) async fn look_up(headers: &HeaderMap, state: &AppState) -> Result<Option<Identity>> {
    let Some(proof) = Proof::of(headers)? else {
        return Ok(None);
    };
    match state.register.holder(proof).await? {
        None => Ok(None),
        Some(Holder::Admin(identity)) => Ok(Some(identity)),
        Some(Holder::Watcher(patterns)) => Err(Error::watch_only(&patterns)),
    }
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
