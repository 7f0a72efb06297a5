//! What waits in the outbox, for those who look.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::{COLUMNS, Row, row};
use crate::db::jobs::Only;
use crate::db::{Data, Error, Tx};
use crate::subject;
use crate::time::Instant;

/// Messages are counted up to here, as it is done every few seconds: an outbox
/// may hold millions while NATS is away, and its age tells more.
const COUNTED: i64 = 100_000;

/// How much waits in the outbox; counts end at 100,000.
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
    data.readers().read(|conn| count(conn, Instant::now(), COUNTED)).await
}

fn count(conn: &Connection, now: Instant, most: i64) -> Result<Depth, Error> {
    let immediate = "SELECT count(*), min(created_at) FROM \
                     (SELECT created_at FROM outbox WHERE due_at IS NULL ORDER BY seq LIMIT ?1)";
    let come = "SELECT count(*), min(due_at) FROM \
                (SELECT due_at FROM outbox WHERE due_at <= ?2 ORDER BY due_at LIMIT ?1)";
    let waiting = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE due_at > ?2 LIMIT ?1)";
    let counted = |row: &rusqlite::Row<'_>| Ok::<(i64, Option<i64>), _>((row.get(0)?, row.get(1)?));
    let (at_once, first) = conn.prepare_cached(immediate)?.query_row([most], counted)?;
    let (come, first_come) = conn.prepare_cached(come)?.query_row(params![most, now], counted)?;
    let scheduled =
        conn.prepare_cached(waiting)?.query_row(params![most, now], |row| row.get(0))?;
    let oldest = [first, first_come].into_iter().flatten().min();
    let oldest_ms = oldest.map_or(0, |oldest| now.millis() - oldest);
    Ok(Depth { due: (at_once + come).min(most), scheduled, oldest_ms })
}

/// A job that waits in the outbox, mostly for its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its place in the outbox.
    pub seq: i64,
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
    let sql = "SELECT subject, body, coalesce(due_at, created_at), seq FROM outbox \
               WHERE substr(msg_id, 1, 36) = ?1 AND substr(subject, 1, 5) = 'jobs.'";
    data.readers().read(move |conn| Ok(conn.query_row(sql, [id], job).optional()?)).await
}

fn job(row: &rusqlite::Row<'_>) -> rusqlite::Result<Scheduled> {
    Ok(Scheduled { subject: row.get(0)?, body: row.get(1)?, due: row.get(2)?, seq: row.get(3)? })
}

/// Whether a row is a job of the queue `?1` and the kind `?2`, where they are named.
const IS_ONE: &str = "substr(subject, 1, 5) = 'jobs.' \
    AND (?1 IS NULL OR substr(subject, 6, length(?1) + 1) = ?1 || '.') \
    AND (?2 IS NULL OR substr(substr(subject, 6), instr(substr(subject, 6), '.') + 1) \
    IN (?2, ?2 || '.high', ?2 || '.low'))";

/// The jobs whose time has not come, the next first. `after` is the due time and the
/// place of the last one of the page before.
///
/// # Errors
/// When they cannot be read.
pub async fn scheduled(
    data: &Data,
    only: Only,
    after: (i64, i64),
    limit: usize,
) -> Result<Vec<Scheduled>, Error> {
    let sql = format!(
        "SELECT subject, body, due_at, seq FROM outbox WHERE due_at > ?3 AND {IS_ONE} \
         AND (due_at, seq) > (?4, ?5) ORDER BY due_at, seq LIMIT ?6"
    );
    data.readers()
        .read(move |conn| {
            let (now, limit) = (Instant::now(), limit as i64);
            let asked = params![only.queue, only.kind, now, after.0, after.1, limit];
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map(asked, job)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// The place of the newest row; 0 where there is none.
pub(in crate::db) async fn newest(data: &Data) -> Result<i64, Error> {
    let sql = "SELECT coalesce(max(seq), 0) FROM outbox";
    data.readers().read(move |conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).await
}

/// The jobs after a place and up to another, at most `limit`.
pub(in crate::db) fn jobs_between(
    tx: &Tx<'_>,
    only: &Only,
    (after, until): (i64, i64),
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE seq > ?3 AND seq <= ?4 AND {IS_ONE} \
         ORDER BY seq LIMIT ?5"
    );
    let mut statement = tx.conn().prepare_cached(&sql)?;
    let asked = params![only.queue, only.kind, after, until, limit as i64];
    Ok(statement.query_map(asked, row)?.collect::<Result<_, _>>()?)
}

/// The job `id`, where it waits for its time.
pub(in crate::db) fn scheduled_job(tx: &Tx<'_>, id: &str) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE subject LIKE 'jobs.%' \
         AND substr(msg_id, 1, 36) = ?1 AND due_at IS NOT NULL"
    );
    Ok(tx.conn().prepare_cached(&sql)?.query_row([id], row).optional()?)
}

/// The jobs that are due and have not been sent, in their order after the place
/// `after`. One that was sent just now may be among them for a moment; one that is
/// over is not.
///
/// # Errors
/// When they cannot be read.
pub async fn unsent_jobs(
    data: &Data,
    only: Only,
    after: i64,
    limit: usize,
) -> Result<Vec<Scheduled>, Error> {
    let over = |table: &str| {
        format!("NOT EXISTS (SELECT 1 FROM {table} WHERE id = substr(msg_id, 1, 36))")
    };
    let sql = format!(
        "SELECT subject, body, coalesce(due_at, created_at), seq FROM outbox \
         WHERE seq > ?3 AND (due_at IS NULL OR due_at <= ?4) AND {IS_ONE} AND {} AND {} \
         ORDER BY seq LIMIT ?5",
        over("job_done"),
        over("dead_jobs")
    );
    data.readers()
        .read(move |conn| {
            let (now, limit) = (Instant::now(), limit as i64);
            let asked = params![only.queue, only.kind, after, now, limit];
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map(asked, job)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Jobs of a queue that are in the outbox; counts end at 100,000 for all queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Those that are due.
    pub due: u64,
    /// Those whose time has not come.
    pub scheduled: u64,
    /// The moment since when the oldest of them is due.
    pub oldest: Option<Instant>,
}

/// How many jobs the outbox holds, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn by_queue(data: &Data) -> Result<BTreeMap<String, Unsent>, Error> {
    data.readers().read(|conn| count_jobs(conn, Instant::now(), COUNTED)).await
}

fn count_jobs(
    conn: &Connection,
    now: Instant,
    most: i64,
) -> Result<BTreeMap<String, Unsent>, Error> {
    let sql = "SELECT queue, sum(since <= ?1), sum(since > ?1), \
               min(CASE WHEN since <= ?1 THEN since END) FROM \
               (SELECT substr(subject, 6, instr(substr(subject, 6), '.') - 1) AS queue, \
               coalesce(due_at, created_at) AS since FROM outbox \
               WHERE substr(subject, 1, 5) = 'jobs.' ORDER BY seq LIMIT ?2) GROUP BY queue";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![now, most], |row| {
        let (due, scheduled): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (due, scheduled) = (due.unsigned_abs(), scheduled.unsigned_abs());
        Ok((row.get(0)?, Unsent { due, scheduled, oldest: row.get(3)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many jobs of a queue are in the outbox, whether their time has come or not.
///
/// # Errors
/// When they cannot be counted.
pub async fn unsent(data: &Data, queue: String) -> Result<u64, Error> {
    let sql = "SELECT count(*) FROM outbox WHERE substr(subject, 1, length(?1)) = ?1";
    let prefix = subject::job(&queue, "");
    let count = move |conn: &rusqlite::Connection| {
        Ok::<i64, Error>(conn.query_row(sql, [prefix], |row| row.get(0))?)
    };
    Ok(data.readers().read(count).await?.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_counted_up_to_a_bound_and_its_age_is_that_of_the_oldest() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, created_at INTEGER, due_at INTEGER);
             INSERT INTO outbox (created_at, due_at) VALUES
             (100, 5000), (200, 700), (300, NULL), (400, NULL), (900, 2000)",
        )
        .unwrap();
        let at = |now, most| count(&conn, Instant::from_millis(now), most).unwrap();
        assert_eq!(at(1000, 100), Depth { due: 3, scheduled: 2, oldest_ms: 700 });
        assert_eq!(at(1000, 2), Depth { due: 2, scheduled: 2, oldest_ms: 700 });
        conn.execute_batch("DELETE FROM outbox WHERE due_at IS NULL").unwrap();
        assert_eq!(at(1000, 100), Depth { due: 1, scheduled: 2, oldest_ms: 300 });
    }
}
