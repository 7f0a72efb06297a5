//! Users and their API tokens.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, uuid};

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

fn user(row: &rusqlite::Row<'_>) -> rusqlite::Result<User> {
    let id = uuid(row.get_ref(0)?.as_str()?)?;
    Ok(User { id, email: row.get(1)?, name: row.get(2)? })
}

/// The admin of `email`, made when there is none.
///
/// # Errors
/// When it cannot be read or written.
pub async fn ensure_admin(data: &Data, email: String) -> Result<User, Error> {
    let insert = "INSERT INTO users (id, email, name, role, created_at) \
                  VALUES (?1, ?2, ?3, 'admin', ?4) ON CONFLICT (email) DO NOTHING";
    let select = format!("SELECT {COLUMNS} FROM users WHERE email = ?1");
    data.writer()
        .write(move |tx| {
            let name = email.split('@').next().unwrap_or(&email);
            let row = params![Uuid::now_v7().to_string(), email, name, tx.now()];
            tx.conn().execute(insert, row)?;
            Ok(tx.conn().query_row(&select, [&email], user)?)
        })
        .await
}

/// The user of an address; letters' case does not matter.
///
/// # Errors
/// When it cannot be read.
pub async fn by_email(data: &Data, email: String) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE email = ?1");
    one(data, sql, email).await
}

/// The user of an id.
///
/// # Errors
/// When it cannot be read.
pub async fn by_id(data: &Data, id: Uuid) -> Result<Option<User>, Error> {
    one(data, format!("SELECT {COLUMNS} FROM users WHERE id = ?1"), id.to_string()).await
}

/// The user of an API token, found by the token's hash.
///
/// # Errors
/// When it cannot be read.
pub async fn by_token(data: &Data, hash: String) -> Result<Option<User>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users JOIN api_tokens ON user_id = users.id WHERE hash = ?1"
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
