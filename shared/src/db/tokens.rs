//! API tokens: the admin's, and those that may only watch.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use uuid::Uuid;

use super::users::{ADMIN, COLUMNS, User, user};
use super::{Data, Error, outbox};
use crate::events::{Event, UserNews};
use crate::recipient::Recipient;
use crate::subject::Pattern;
use crate::time::Instant;

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Option<Vec<Pattern>>")]
pub enum Scope {
    /// All that the admin may do.
    Site,
    /// Watching topics of these shapes, and nothing else.
    Watch(Vec<Pattern>),
}

impl From<Scope> for Option<Vec<Pattern>> {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Site => None,
            Scope::Watch(patterns) => Some(patterns),
        }
    }
}

impl Scope {
    /// The topics that may be watched, with a space between; none where there
    /// is more to do than that.
    #[must_use]
    pub fn shapes(&self) -> Option<String> {
        let Self::Watch(patterns) = self else {
            return None;
        };
        let shapes: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Some(shapes.join(" "))
    }
}

impl ToSql for Scope {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(self.shapes().map_or(Value::Null, Value::Text)))
    }
}

impl FromSql for Scope {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(words) = value.as_str_or_null()? else {
            return Ok(Self::Site);
        };
        let patterns: Result<_, _> = words.split_whitespace().map(str::parse).collect();
        patterns.map(Self::Watch).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// A token that is to be kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// Its hash: the token itself is kept nowhere.
    pub hash: String,
    /// What it is good for.
    pub scope: Scope,
    /// Until when; none: until it is revoked.
    pub expires_at: Option<Instant>,
}

/// Whom a token was given to, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The admin who made it.
    pub user: User,
    /// What it is good for.
    pub scope: Scope,
}

/// The holder of a token, found by the token's hash; none when its time is over.
///
/// # Errors
/// When it cannot be read.
pub async fn holder(data: &Data, hash: String) -> Result<Option<Holder>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}, watch FROM users JOIN api_tokens ON user_id = users.id \
         WHERE hash = ?1 AND {ADMIN} AND (expires_at IS NULL OR expires_at > ?2)"
    );
    let holder =
        |row: &rusqlite::Row<'_>| Ok(Holder { user: user(row)?, scope: row.get("watch")? });
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            Ok(statement.query_row(params![hash, Instant::now()], holder).optional()?)
        })
        .await
}

/// Keeps a new token's hash.
///
/// # Errors
/// When it cannot be written.
pub async fn add(data: &Data, user: Uuid, token: NewToken) -> Result<(), Error> {
    let sql = "INSERT INTO api_tokens (hash, user_id, name, watch, expires_at, created_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let NewToken { name, hash, scope, expires_at } = token;
    data.writer()
        .write(move |tx| {
            let row = params![hash, user.to_string(), name, scope, expires_at, tx.now()];
            tx.conn().execute(sql, row)?;
            Ok(())
        })
        .await
}

/// A token as it is listed: the token itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The first [`TOKEN_ID`] digits of its hash.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The topics that it may watch; none: it is the admin's.
    pub watch: Scope,
    /// When it was made.
    pub created_at: Instant,
    /// When its time is over.
    pub expires_at: Option<Instant>,
}

/// Digits of a hash that name its token.
pub const TOKEN_ID: usize = 12;

/// The tokens of a user, oldest first.
///
/// # Errors
/// When they cannot be read.
pub async fn list(data: &Data, user: Uuid) -> Result<Vec<Token>, Error> {
    let sql = "SELECT substr(hash, 1, ?2), name, watch, created_at, expires_at FROM api_tokens \
               WHERE user_id = ?1 ORDER BY created_at, hash";
    let token = |row: &rusqlite::Row<'_>| {
        let (id, name, watch) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Token { id, name, watch, created_at: row.get(3)?, expires_at: row.get(4)? })
    };
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![user.to_string(), TOKEN_ID as i64], token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Ends the tokens of a user that have this name or id, and has streams end that
/// were opened with them; gives how many.
///
/// # Errors
/// When it cannot be written.
pub async fn revoke(data: &Data, user: Uuid, which: String, cause: Uuid) -> Result<usize, Error> {
    let sql = "DELETE FROM api_tokens WHERE user_id = ?1 \
               AND (name = ?2 OR substr(hash, 1, ?3) = ?2)";
    data.writer()
        .write(move |tx| {
            let row = params![user.to_string(), which, TOKEN_ID as i64];
            let revoked = tx.conn().execute(sql, row)?;
            if revoked > 0 {
                let told = Event::user(&Recipient::User(user), &UserNews::TokenRevoked {}, cause);
                outbox::event(tx, &told)?;
            }
            Ok(revoked)
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::users::ensure_admin;
    use super::*;

    async fn prepared(name: &str) -> (PathBuf, Data, User) {
        let dir = std::env::temp_dir().join(format!("{name}-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let user = ensure_admin(&data, "a@example.com".to_owned()).await.unwrap();
        (dir, data, user)
    }

    fn token(name: &str, hash: &str) -> NewToken {
        let (name, hash) = (name.to_owned(), hash.to_owned());
        NewToken { name, hash, scope: Scope::Site, expires_at: None }
    }

    #[tokio::test]
    async fn a_token_is_listed_and_ended_by_its_name_or_its_id() {
        let (dir, data, user) = prepared("tokens").await;
        let other = Uuid::now_v7();
        for (number, name) in ["one", "two", "two"].into_iter().enumerate() {
            let hash = format!("{number:0>TOKEN_ID$}{name}");
            add(&data, user.id, token(name, &hash)).await.unwrap();
        }
        let listed = list(&data, user.id).await.unwrap();
        assert_eq!(listed.len(), 3);
        let first = listed.iter().find(|token| token.name == "one").unwrap().id.clone();
        assert_eq!(revoke(&data, other, first.clone(), Uuid::nil()).await.unwrap(), 0);
        assert_eq!(revoke(&data, user.id, first, Uuid::nil()).await.unwrap(), 1);
        assert_eq!(revoke(&data, user.id, "two".to_owned(), Uuid::nil()).await.unwrap(), 2);
        assert_eq!(list(&data, user.id).await.unwrap(), []);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_token_keeps_what_it_is_good_for_and_is_none_after_its_time() {
        let (dir, data, user) = prepared("scopes").await;
        let now = Instant::now();
        let patterns = ["comments.*", "metrics.views"].map(|text| text.parse().unwrap());
        let scope = Scope::Watch(patterns.to_vec());
        let kiosk = NewToken { scope: scope.clone(), ..token("kiosk", "k") };
        add(&data, user.id, kiosk).await.unwrap();
        let hour = Duration::from_secs(3600);
        for (hash, ends) in [("over", now.minus(hour)), ("good", now.plus(hour))] {
            let timed = NewToken { expires_at: Some(ends), ..token("timed", hash) };
            add(&data, user.id, timed).await.unwrap();
        }
        let found = async |hash: &str| holder(&data, hash.to_owned()).await.unwrap();
        assert_eq!(found("k").await, Some(Holder { user: user.clone(), scope }));
        assert_eq!(found("good").await.map(|holder| holder.scope), Some(Scope::Site));
        assert_eq!(found("over").await, None);
        assert_eq!(list(&data, user.id).await.unwrap().len(), 3);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
