//! Jobs that came again while nothing was known of how they ended: their worker
//! went away, and they may be why. One that gave them back before it went is
//! not.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{Data, Error, Tx, done};

/// Notes, flushed before it is, that an attempt at a job is begun once more;
/// gives how often that was noted before. Of a job that is over nothing is noted.
///
/// # Errors
/// When it cannot be written.
pub async fn again(data: &Data, job: Uuid, attempt: u32) -> Result<i64, Error> {
    data.writer()
        .write(move |tx: &Tx<'_>| {
            let id = job.to_string();
            if done::is_over_in(tx, &id)? {
                return Ok(0);
            }
            let before = times(tx.conn(), &id, attempt)?;
            let sql = "INSERT INTO job_begun (job_id, attempt, times, at) VALUES (?1, ?2, 1, ?3) \
                       ON CONFLICT (job_id, attempt) DO UPDATE SET times = times + 1, at = ?3";
            tx.conn().prepare_cached(sql)?.execute(params![id, attempt, tx.now()])?;
            Ok(before)
        })
        .await
}

/// Notes that attempts which may have been begun were given back on purpose: that
/// they come again is not their fault.
///
/// # Errors
/// When it cannot be written.
pub async fn given_back(data: &Data, attempts: Vec<(Uuid, u32)>) -> Result<(), Error> {
    let sql = "INSERT INTO job_begun (job_id, attempt, times, at) VALUES (?1, ?2, -1, ?3) \
               ON CONFLICT (job_id, attempt) DO UPDATE SET times = times - 1, at = ?3";
    data.writer()
        .write(move |tx: &Tx<'_>| {
            let mut statement = tx.conn().prepare_cached(sql)?;
            for (job, attempt) in attempts {
                statement.execute(params![job.to_string(), attempt, tx.now()])?;
            }
            Ok(())
        })
        .await
}

fn times(conn: &Connection, id: &str, attempt: u32) -> Result<i64, Error> {
    let sql = "SELECT times FROM job_begun WHERE job_id = ?1 AND attempt = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row(params![id, attempt], |row| row.get(0)).optional()?.unwrap_or(0))
}
