//! What led to a job and what followed, as far as the database knows.

use rusqlite::Connection;

use super::{Listed, SNOOZES, ended};
use crate::db::{Data, Error};

/// The job `id`, when it is over; one that died and was sent back, too.
///
/// # Errors
/// When it cannot be read.
pub async fn ended_job(data: &Data, id: String) -> Result<Option<Listed>, Error> {
    let jobs = data.readers().read(move |conn| select(conn, "id", &[id], 1)).await?;
    Ok(jobs.into_iter().next())
}

/// The jobs that `causes` led to, oldest first: those that are over, `limit` at
/// most.
///
/// # Errors
/// When they cannot be read.
pub async fn followers(
    data: &Data,
    causes: Vec<String>,
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    data.readers().read(move |conn| select(conn, "cause", &causes, limit)).await
}

fn select(
    conn: &Connection,
    column: &str,
    values: &[String],
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let values = serde_json::to_string(values).expect("a list of strings is JSON");
    let sql = format!(
        "SELECT id, queue, kind, cause, attempt, at, reason, {SNOOZES}, dead FROM ( \
         SELECT id, queue, kind, cause, attempt, finished_at AS at, NULL AS reason, 0 AS dead \
         FROM job_done WHERE {column} IN (SELECT value FROM json_each(?1)) \
         UNION ALL \
         SELECT id, queue, kind, cause, attempt, died_at, reason, 1 FROM dead_jobs \
         WHERE {column} IN (SELECT value FROM json_each(?1)) \
         UNION ALL \
         SELECT id, queue, kind, cause, attempt, at, reason, 1 FROM job_retries \
         WHERE {column} IN (SELECT value FROM json_each(?1)) \
         ORDER BY 6 LIMIT ?2) ORDER BY at"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map((values, limit as i64), |row| ended(row, row.get(8)?))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
