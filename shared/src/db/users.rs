//! Users: who may sign in.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, outbox, uuid};
use crate::events::{Event, UserNews};
use crate::recipient::Recipient;

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

pub(super) const COLUMNS: &str = "users.id, users.email, users.name";
/// Nobody else may sign in.
pub(super) const ADMIN: &str = "users.role = 'admin'";

pub(super) fn user(row: &rusqlite::Row<'_>) -> rusqlite::Result<User> {
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

/// Tells all windows of those who may sign in.
///
/// # Errors
/// When it cannot be written.
pub(super) fn tell_admins(tx: &Tx<'_>, told: &UserNews, cause: Uuid) -> Result<(), Error> {
    let sql = format!("SELECT id FROM users WHERE {ADMIN}");
    let mut statement = tx.conn().prepare_cached(&sql)?;
    let ids = statement.query_map([], |row| uuid(row.get_ref(0)?.as_str()?))?;
    for id in ids {
        outbox::event(tx, &Event::user(&Recipient::User(id?), told, cause))?;
    }
    Ok(())
}

/// Tells all windows of a user.
///
/// # Errors
/// When it cannot be written.
pub async fn tell(data: &Data, user: Uuid, told: UserNews, cause: Uuid) -> Result<(), Error> {
    let event = Event::user(&Recipient::User(user), &told, cause);
    data.writer().write(move |tx| outbox::event(tx, &event)).await
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

async fn one(data: &Data, sql: String, key: String) -> Result<Option<User>, Error> {
    data.readers()
        .read(move |conn| Ok(conn.prepare_cached(&sql)?.query_row([key], user).optional()?))
        .await
}

#[cfg(test)]
mod tests {
    use super::super::tokens::{self, NewToken, Scope};
    use super::*;

    async fn ways_in(data: &Data, user: &User) -> [bool; 3] {
        let token = tokens::holder(data, user.email.clone()).await.unwrap();
        let token = token.map(|holder| holder.user);
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
            let token = NewToken { name, hash, scope: Scope::Site, expires_at: None };
            let _kept_from_before = tokens::add(&data, user.id, token).await;
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
