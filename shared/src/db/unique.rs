//! Unique jobs: while one with a key stands, no other is sent.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{Error, Tx};
use crate::envelope::Envelope;
use crate::jobs::enqueue::{Hold, Unique};

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
