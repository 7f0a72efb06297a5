//! Where a dead job that was sent back went on.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Attempt, attempts};
use crate::db::{Data, Error, Tx, uuid};
use crate::time::Instant;

/// A dead job that was sent back: it goes on under another id.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename = "retried")]
pub struct Retried {
    /// The id that it had.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// The id of what led to it.
    pub cause: String,
    /// The attempt that was its last.
    pub attempt: u32,
    /// When it was sent back.
    pub at: Instant,
    /// Why it had died.
    pub reason: String,
    /// The job that it is now.
    pub retried_as: Uuid,
    /// Every failed attempt, oldest first.
    pub errors: Vec<Attempt>,
}

/// The job `id`, when it was sent back.
///
/// # Errors
/// When it cannot be read.
pub async fn retried(data: &Data, id: String) -> Result<Option<Retried>, Error> {
    data.readers().read(move |conn| select(conn, &id)).await
}

fn select(conn: &Connection, id: &str) -> Result<Option<Retried>, Error> {
    let sql = "SELECT queue, kind, cause, attempt, at, reason, retried_as FROM job_retries \
               WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let retried_as: String = row.get(6)?;
        let job = Retried {
            id: id.to_owned(),
            queue: row.get(0)?,
            kind: row.get(1)?,
            cause: row.get(2)?,
            attempt: row.get(3)?,
            at: row.get(4)?,
            reason: row.get(5)?,
            retried_as: uuid(&retried_as)?,
            errors: Vec::new(),
        };
        Ok(job)
    };
    let Some(job) = conn.query_row(sql, [id], read).optional()? else { return Ok(None) };
    Ok(Some(Retried { errors: attempts(conn, id)?, ..job }))
}

/// Notes that the dead job `id` goes on as `now`.
pub(super) fn keep(tx: &Tx<'_>, id: &str, now: Uuid) -> Result<(), Error> {
    let sql = "INSERT INTO job_retries (id, queue, kind, cause, attempt, reason, retried_as, at) \
               SELECT id, queue, kind, cause, attempt, reason, ?2, ?3 FROM dead_jobs WHERE id = ?1 \
               ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, \
               reason = excluded.reason, retried_as = excluded.retried_as, at = excluded.at";
    tx.conn().prepare_cached(sql)?.execute(params![id, now.to_string(), tx.now()])?;
    Ok(())
}
