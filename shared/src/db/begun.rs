//! Jobs that came again while nothing was known of how they ended: their worker
//! went away, and they may be why.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{Data, Error, Tx, done};

/// Notes, flushed before it is, that a job is begun once more; gives how often
/// that was noted before. Of a job that is over nothing is noted.
///
/// # Errors
/// When it cannot be written.
pub async fn again(data: &Data, job: Uuid) -> Result<i64, Error> {
    data.writer()
        .write(move |tx: &Tx<'_>| {
            let id = job.to_string();
            if done::is_over_in(tx, &id)? {
                return Ok(0);
            }
            let before = times(tx.conn(), &id)?;
            let sql = "INSERT INTO job_begun (job_id, times, at) VALUES (?1, 1, ?2) \
                       ON CONFLICT (job_id) DO UPDATE SET times = times + 1, at = ?2";
            tx.conn().prepare_cached(sql)?.execute(params![id, tx.now()])?;
            Ok(before)
        })
        .await
}

fn times(conn: &Connection, id: &str) -> Result<i64, Error> {
    let mut statement = conn.prepare_cached("SELECT times FROM job_begun WHERE job_id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or(0))
}
