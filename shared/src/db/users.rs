//! Users and their API tokens.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, uuid};
use crate::time::Instant;

/// Someone who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// Where codes are mailed to.
    pub email: String,
    /// Shown beside comments.
    pub name: String,
}

const COLUMNS: &str = "users.id, users.email, users.name";
/// Nobody else may sign in.
const ADMIN: &str = "users.role = 'admin'";

fn user(row: &rusqlite::Row<'_>) -> rusqlite::Result<User> {
    let id = uuid(row.get_ref(0)?.as_str()?)?;
    Ok(User { id, email: row.get(1)?, name: row.get(2)? })
}

/// The admin of `email`, made when there is none. There is one admin: whoever
/// was it before has no way in any more, neither by code nor session nor token.
///
/// # Errors
/// When it cannot be read or written.
pub async fn ensure_admin(data: &Data, email: String) -> Result<User, Error> {
    let insert = "INSERT INTO users (id, email, name, role, created_at) \
                  VALUES (?1, ?2, ?3, 'admin', ?4) ON CONFLICT (email) \
                  DO UPDATE SET role = 'admin' WHERE role <> 'admin'";
    let others = "UPDATE users SET role = 'former' WHERE email <> ?1 AND role = 'admin'";
    let select = format!("SELECT {COLUMNS} FROM users WHERE email = ?1");
    data.writer()
        .write(move |tx| {
            let name = email.split('@').next().unwrap_or(&email);
            let row = params![Uuid::now_v7().to_string(), email, name, tx.now()];
            tx.conn().execute(insert, row)?;
            tx.conn().execute(others, [&email])?;
            Ok(tx.conn().query_row(&select, [&email], user)?)
        })
        .await
}

/// The admin of an address; letters' case does not matter.
///
/// # Errors
/// When it cannot be read.
pub async fn by_email(data: &Data, email: String) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE email = ?1 AND {ADMIN}");
    one(data, sql, email).await
}

/// The admin of an id.
///
/// # Errors
/// When it cannot be read.
pub async fn by_id(data: &Data, id: Uuid) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1 AND {ADMIN}");
    one(data, sql, id.to_string()).await
}

/// The admin of an API token, found by the token's hash.
///
/// # Errors
/// When it cannot be read.
pub async fn by_token(data: &Data, hash: String) -> Result<Option<User>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users JOIN api_tokens ON user_id = users.id \
         WHERE hash = ?1 AND {ADMIN}"
    );
    one(data, sql, hash).await
}

async fn one(data: &Data, sql: String, key: String) -> Result<Option<User>, Error> {
    data.readers()
        .read(move |conn| Ok(conn.prepare_cached(&sql)?.query_row([key], user).optional()?))
        .await
}

/// Keeps a new API token's hash.
///
/// # Errors
/// When it cannot be written.
pub async fn add_token(data: &Data, user: Uuid, name: String, hash: String) -> Result<(), Error> {
    let sql = "INSERT INTO api_tokens (hash, user_id, name, created_at) VALUES (?1, ?2, ?3, ?4)";
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![hash, user.to_string(), name, tx.now()])?;
            Ok(())
        })
        .await
}

/// An API token as it is listed: the token itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The first [`TOKEN_ID`] digits of its hash.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Instant,
}

/// Digits of a hash that name its token.
pub const TOKEN_ID: usize = 12;

/// The API tokens of a user, oldest first.
///
/// # Errors
/// When they cannot be read.
pub async fn tokens(data: &Data, user: Uuid) -> Result<Vec<Token>, Error> {
    let sql = "SELECT substr(hash, 1, ?2), name, created_at FROM api_tokens WHERE user_id = ?1 \
               ORDER BY created_at, hash";
    let token = |row: &rusqlite::Row<'_>| {
        Ok(Token { id: row.get(0)?, name: row.get(1)?, created_at: row.get(2)? })
    };
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![user.to_string(), TOKEN_ID as i64], token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Ends the tokens of a user that have this name or id; gives how many.
///
/// # Errors
/// When it cannot be written.
pub async fn revoke_tokens(data: &Data, user: Uuid, which: String) -> Result<usize, Error> {
    let sql = "DELETE FROM api_tokens WHERE user_id = ?1 \
               AND (name = ?2 OR substr(hash, 1, ?3) = ?2)";
    data.writer()
        .write(move |tx| {
            let row = params![user.to_string(), which, TOKEN_ID as i64];
            Ok(tx.conn().execute(sql, row)?)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_listed_and_ended_by_its_name_or_its_id() {
        let dir = std::env::temp_dir().join(format!("tokens-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let user = ensure_admin(&data, "a@example.com".to_owned()).await.unwrap();
        let other = Uuid::now_v7();
        for (number, name) in ["one", "two", "two"].into_iter().enumerate() {
            let hash = format!("{number:0>TOKEN_ID$}{name}");
            add_token(&data, user.id, name.to_owned(), hash).await.unwrap();
        }
        let listed = tokens(&data, user.id).await.unwrap();
        assert_eq!(listed.len(), 3);
        let first = listed.iter().find(|token| token.name == "one").unwrap().id.clone();
        assert_eq!(revoke_tokens(&data, other, first.clone()).await.unwrap(), 0);
        assert_eq!(revoke_tokens(&data, user.id, first).await.unwrap(), 1);
        assert_eq!(revoke_tokens(&data, user.id, "two".to_owned()).await.unwrap(), 2);
        assert_eq!(tokens(&data, user.id).await.unwrap(), []);
        std::fs::remove_dir_all(dir).unwrap();
    }

    async fn ways_in(data: &Data, user: &User) -> [bool; 3] {
        let token = by_token(data, user.email.clone()).await.unwrap();
        let by_email = by_email(data, user.email.to_uppercase()).await.unwrap();
        let by_id = by_id(data, user.id).await.unwrap();
        [token, by_email, by_id].map(|found| found.as_ref() == Some(user))
    }

    #[tokio::test]
    async fn only_the_configured_address_has_a_way_in() {
        let dir = std::env::temp_dir().join(format!("users-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let mut seen = Vec::new();
        for email in ["old@example.com", "new@example.com", "OLD@example.com"] {
            let user = ensure_admin(&data, email.to_owned()).await.unwrap();
            let (name, hash) = ("test".to_owned(), user.email.clone());
            let _kept_from_before = add_token(&data, user.id, name, hash).await;
            seen.push(user);
            let (last, others) = seen.split_last().unwrap();
            assert_eq!(ways_in(&data, last).await, [true; 3], "{last:?}");
            for other in others.iter().filter(|other| *other != last) {
                assert_eq!(ways_in(&data, other).await, [false; 3], "{other:?}");
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
