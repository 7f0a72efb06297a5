//! Unique jobs: while one with a key stands, no other is sent.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::jobs::UniqueKey;
use super::{Error, Tx};
use crate::envelope::Envelope;
use crate::jobs::enqueue::{Hold, Unique};
use crate::time::Instant;

/// Takes the key for `job`; gives the job that has it, when that is another.
pub(super) fn take(
    tx: &Tx<'_>,
    queue: &str,
    unique: &Unique,
    job: Uuid,
) -> Result<Option<Uuid>, Error> {
    let holder = "SELECT job_id FROM unique_jobs WHERE queue = ?1 AND key = ?2 \
                  AND (expires_at IS NULL OR expires_at > ?3)";
    let mut statement = tx.conn().prepare_cached(holder)?;
    let read = |row: &rusqlite::Row<'_>| super::uuid(&row.get::<_, String>(0)?);
    let held = statement.query_row(params![queue, unique.key, tx.now()], read).optional()?;
    if held.is_some() {
        return Ok(held);
    }
    let expires = match unique.hold {
        Hold::UntilOver => None,
        Hold::For(span) => Some(tx.now().plus(span)),
    };
    let take = "INSERT INTO unique_jobs (queue, key, job_id, expires_at) VALUES (?1, ?2, ?3, ?4) \
                ON CONFLICT (queue, key) DO UPDATE SET job_id = ?3, expires_at = ?4";
    tx.conn().execute(take, params![queue, unique.key, job.to_string(), expires])?;
    Ok(None)
}

/// Frees the key of a job that is over, unless it is held for a time; gives the
/// key that is free now.
pub(super) fn release<P>(tx: &Tx<'_>, job: &Envelope<P>) -> Result<Option<String>, Error> {
    if !job.unique {
        return Ok(None);
    }
    let sql = "DELETE FROM unique_jobs WHERE job_id = ?1 AND expires_at IS NULL RETURNING key";
    let mut statement = tx.conn().prepare_cached(sql)?;
    Ok(statement.query_row([job.id.to_string()], |row| row.get(0)).optional()?)
}

/// The key that the job `id` holds; or, when it is dead, the one that it takes
/// again when it is sent back.
pub(super) fn key_of(conn: &Connection, id: &str) -> Result<Option<UniqueKey>, Error> {
    let sql = "SELECT key, job_id FROM unique_jobs \
               WHERE job_id = ?1 AND (expires_at IS NULL OR expires_at > ?2) \
               UNION ALL \
               SELECT unique_key, job_id FROM dead_jobs LEFT JOIN unique_jobs \
               ON unique_jobs.queue = dead_jobs.queue AND key = unique_key \
               AND (expires_at IS NULL OR expires_at > ?2) \
               WHERE id = ?1 AND unique_key IS NOT NULL";
    let read = |row: &rusqlite::Row<'_>| Ok(UniqueKey { key: row.get(0)?, holder: row.get(1)? });
    Ok(conn.prepare_cached(sql)?.query_row(params![id, Instant::now()], read).optional()?)
}
