//! What waits in the outbox, for those who look.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use crate::db::{Data, Error};
use crate::subject;
use crate::time::Instant;

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Messages that are due.
    pub due: i64,
    /// Messages whose time has not come.
    pub scheduled: i64,
    /// Age of the oldest that is due, in milliseconds.
    pub oldest_ms: i64,
}

/// How much waits.
///
/// # Errors
/// When it cannot be read.
pub async fn depth(data: &Data) -> Result<Depth, Error> {
    let sql = "SELECT count(*) FILTER (WHERE due <= ?1), count(*) FILTER (WHERE due > ?1), \
               coalesce(?1 - min(due) FILTER (WHERE due <= ?1), 0) \
               FROM (SELECT max(created_at, coalesce(due_at, 0)) AS due FROM outbox)";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Depth { due: row.get(0)?, scheduled: row.get(1)?, oldest_ms: row.get(2)? })
    };
    data.readers().read(move |conn| Ok(conn.query_row(sql, [Instant::now()], read)?)).await
}

/// A job that waits in the outbox, mostly for its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// `jobs.<queue>.<kind>`.
    pub subject: String,
    /// The envelope.
    pub body: Vec<u8>,
    /// When it is due.
    pub due: Instant,
}

/// A job that has not been sent, whether its time has come or not.
///
/// # Errors
/// When it cannot be read.
pub async fn find_job(data: &Data, id: String) -> Result<Option<Scheduled>, Error> {
    let sql = "SELECT subject, body, coalesce(due_at, created_at) FROM outbox \
               WHERE substr(msg_id, 1, 36) = ?1 AND substr(subject, 1, 5) = 'jobs.'";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Scheduled { subject: row.get(0)?, body: row.get(1)?, due: row.get(2)? })
    };
    data.readers().read(move |conn| Ok(conn.query_row(sql, [id], read).optional()?)).await
}

/// The jobs whose time has not come, the next first; of one queue, if it is
/// named.
///
/// # Errors
/// When they cannot be read.
pub async fn scheduled(
    data: &Data,
    queue: Option<String>,
    limit: usize,
) -> Result<Vec<Scheduled>, Error> {
    let sql = "SELECT subject, body, due_at FROM outbox WHERE due_at > ?1 \
               AND substr(subject, 1, length(?2)) = ?2 ORDER BY due_at, seq LIMIT ?3";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Scheduled { subject: row.get(0)?, body: row.get(1)?, due: row.get(2)? })
    };
    let prefix = queue.map_or_else(|| "jobs.".to_owned(), |queue| subject::job(&queue, ""));
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![Instant::now(), prefix, limit as i64], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}
