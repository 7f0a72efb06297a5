//! Copies of `data.db` in one file, and what can be said of them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::super::{Error, connect, reconcile, schema};

/// What a database holds, to be compared with a restored copy of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Migrations applied.
    pub schema: i64,
    /// Posts.
    pub posts: i64,
    /// Comments.
    pub comments: i64,
    /// Images.
    pub images: i64,
    /// Page views counted.
    pub hits: i64,
    /// The id of the newest post.
    pub newest_post: Option<String>,
    /// The id of the newest comment.
    pub newest_comment: Option<String>,
}

/// Writes a consistent copy of the live database `from` to the new file `to`,
/// while others write. Independent of Litestream. Blocks.
///
/// # Errors
/// When `from` cannot be read or `to` cannot be written.
pub fn take(from: &Path, to: &Path) -> Result<(), Error> {
    let conn = connect(from, &schema::DATA)?;
    conn.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// Checks every page, index and reference of the copy `file`, and says what it
/// holds. Blocks.
///
/// # Errors
/// [`Error::Corrupt`] with the first problem, or when it cannot be read.
pub fn check(file: &Path) -> Result<Facts, Error> {
    let open = || Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let conn = open().map_err(|source| Error::Open { path: file.to_owned(), source })?;
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::Corrupt { value: verdict, expected: "a sound database" });
    }
    let dangling: i64 =
        conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if dangling > 0 {
        let value = format!("{dangling} rows that refer to nothing");
        return Err(Error::Corrupt { value, expected: "a sound database" });
    }
    facts(&conn)
}

/// Frees what processes of the site held when the restored `file` was copied,
/// since they are not there any more, and has the file say that it was restored:
/// `cron prepare` then reconciles it with NATS. Blocks.
///
/// # Errors
/// When it cannot be written.
pub fn settle(file: &Path) -> Result<(), Error> {
    let open = || Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let conn = open().map_err(|source| Error::Open { path: file.to_owned(), source })?;
    conn.execute("UPDATE schedule SET lease_owner = NULL, lease_until = NULL", [])?;
    reconcile::mark(&conn)
}

/// What the live database `file` holds now. Blocks.
///
/// # Errors
/// When it cannot be read.
pub fn look(file: &Path) -> Result<Facts, Error> {
    facts(&connect(file, &schema::DATA)?)
}

fn facts(conn: &Connection) -> Result<Facts, Error> {
    let sql = "SELECT (SELECT user_version FROM pragma_user_version), \
               (SELECT count(*) FROM posts), (SELECT count(*) FROM comments), \
               (SELECT count(*) FROM images), (SELECT count(*) FROM hits), \
               (SELECT max(id) FROM posts), (SELECT max(id) FROM comments)";
    Ok(conn.query_row(sql, [], |row| {
        Ok(Facts {
            schema: row.get(0)?,
            posts: row.get(1)?,
            comments: row.get(2)?,
            images: row.get(3)?,
            hits: row.get(4)?,
            newest_post: row.get(5)?,
            newest_comment: row.get(6)?,
        })
    })?)
}
