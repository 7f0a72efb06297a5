//! What a request brings to say who sends it, and who that is.

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::db::tokens::{self, Scope};
use shared::db::ttl;
use shared::db::users;
use shared::db::{Data, Ttl};
use shared::signin;
use shared::subject::Pattern;

use super::{Identity, bearer, cookies};
use crate::error::{Error, Result};

/// What says who asks, as hashes alone, so that it may travel to another
/// process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The hash of a token.
    Token(String),
    /// The hash of a session's cookie, and the cookie's name.
    Session {
        /// As the browser sent it.
        name: String,
        /// Of its value.
        hash: String,
    },
}

impl Proof {
    /// The hash of this token.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self::Token(signin::token_hash(token))
    }

    /// Reads the headers: a token goes before a cookie.
    ///
    /// # Errors
    /// When `Authorization` holds no bearer token.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>> {
        if let Some(token) = bearer(headers)? {
            return Ok(Some(Self::token(token)));
        }
        let session = [true, false].into_iter().find_map(|https| {
            let name = cookies::session_name(https);
            let hash = signin::token_hash(cookies::get(headers, name)?);
            Some(Self::Session { name: name.to_owned(), hash })
        });
        Ok(session)
    }
}

/// Who a proof is of.
#[derive(Debug, Clone)]
pub enum Holder {
    /// The admin.
    Admin(Identity),
    /// A program that may watch topics of these shapes, and nothing else.
    Watcher(Vec<Pattern>),
}

/// Looks proofs up in the databases.
#[derive(Clone)]
pub struct Register {
    data: Data,
    ttl: Ttl,
    https: bool,
}

impl Register {
    /// Of a site that is reached over TLS, or not.
    #[must_use]
    pub fn new(data: Data, ttl: Ttl, https: bool) -> Self {
        Self { data, ttl, https }
    }

    /// Who a proof is of. A wrong token is refused rather than ignored:
    /// whoever sends it counts on it. A cookie that is over is ignored.
    ///
    /// # Errors
    /// When the token is unknown.
    pub async fn holder(&self, proof: Proof) -> Result<Option<Holder>> {
        match proof {
            Proof::Token(hash) => {
                let held = tokens::holder(&self.data, hash).await?.ok_or(Error::Unauthorised)?;
                Ok(Some(match held.scope {
                    Scope::Site => Holder::Admin(Identity { user: held.user, session: None }),
                    Scope::Watch(patterns) => Holder::Watcher(patterns),
                }))
            }
            Proof::Session { name, hash } if name == cookies::session_name(self.https) => {
                let Some(session) = ttl::find_session(&self.ttl, hash).await? else {
                    return Ok(None);
                };
                let user = users::by_id(&self.data, session.user).await?;
                Ok(user.map(|user| Holder::Admin(Identity { user, session: Some(session) })))
            }
            Proof::Session { .. } => Ok(None),
        }
    }
}
