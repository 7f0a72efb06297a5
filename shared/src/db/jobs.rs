//! Jobs as the admin sees them: lists, one job, the dead ones and what can be
//! done with them.

mod cancel;
mod made;
mod order;
mod replay;
mod retried;
mod shown;
mod state;
mod trace;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{Data, Error, Page, Tx, alerts, batches, done};
use crate::envelope::Envelope;
use crate::subject;
use crate::time::Instant;

pub use cancel::{Cancelled, cancel, cancel_stored, cancel_unsent, cancel_waiting};
pub use made::{Made, keep_made};
pub use order::{Once, Ordered, Placed, order, ordered_before};
pub use replay::{Replayed, replay, replay_all};
pub use retried::{Retried, retried};
pub use shown::{Attempt, Body, Detail, Listed, Only, Order, UniqueKey, ahead};
pub use state::{BadState, JobState};
pub use trace::{ended_job, followers};

/// Which ended jobs a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are done.
    Done,
    /// Those that gave up.
    Dead,
    /// All.
    Both,
}

/// Ended jobs, newest first; `after` is the cursor of the page before.
///
/// # Errors
/// When they cannot be read.
pub async fn list(
    data: &Data,
    which: Which,
    only: impl Into<Only>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Listed>, Error> {
    let only = only.into();
    let cursor = after.as_deref().and_then(|cursor| cursor.split_once('_'));
    let cursor = cursor.and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id.to_owned())));
    let rows = data.readers().read(move |conn| {
        let select = |dead| select_ended(conn, dead, &only, cursor.as_ref(), limit + 1);
        let mut jobs = match which {
            Which::Done => select(false)?,
            Which::Dead => select(true)?,
            Which::Both => [select(false)?, select(true)?].concat(),
        };
        jobs.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        Ok::<_, Error>(jobs)
    });
    let cursor = |job: &Listed| format!("{}_{}", job.at.millis(), job.id);
    Ok(Page::cut(rows.await?, limit, cursor))
}

fn select_ended(
    conn: &Connection,
    dead: bool,
    only: &Only,
    after: Option<&(i64, String)>,
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let (table, at, reason) =
        if dead { ("dead_jobs", "died_at", "reason") } else { ("job_done", "finished_at", "NULL") };
    let sql = format!(
        "SELECT id, queue, kind, cause, attempt, {at}, {reason}, {SNOOZES} FROM {table} \
         WHERE (?1 IS NULL OR queue = ?1) AND (?5 IS NULL OR kind = ?5) \
         AND (?2 IS NULL OR ({at}, id) < (?2, ?3)) ORDER BY {at} DESC, id DESC LIMIT ?4"
    );
    let (at, id) = after.map_or((None, ""), |(at, id)| (Some(*at), id.as_str()));
    let mut statement = conn.prepare_cached(&sql)?;
    let row = params![only.queue, at, id, limit as i64, only.kind];
    let jobs = statement.query_map(row, |row| ended(row, dead))?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// How often the job `id` was put off.
const SNOOZES: &str = "(SELECT count(*) FROM job_errors WHERE job_id = id AND put_off = 1)";

fn ended(row: &rusqlite::Row<'_>, dead: bool) -> rusqlite::Result<Listed> {
    let (id, cause): (String, String) = (row.get(0)?, row.get(3)?);
    let at: Instant = row.get(5)?;
    Ok(Listed {
        made: id.parse().ok().and_then(Instant::of_id).unwrap_or(at),
        id,
        queue: row.get(1)?,
        kind: row.get(2)?,
        state: if dead { JobState::Dead } else { JobState::Done },
        // Of what is no job nobody knows what led to it.
        cause: if cause == Uuid::nil().to_string() { String::new() } else { cause },
        attempt: row.get(4)?,
        snoozes: row.get(7)?,
        run_at: None,
        finished: Some(at),
        at,
        reason: row.get(6)?,
    })
}

/// One ended job with its failed attempts.
///
/// # Errors
/// When it cannot be read.
pub async fn detail(data: &Data, id: String) -> Result<Option<Detail>, Error> {
    data.readers().read(move |conn| select_detail(conn, &id)).await
}

fn select_detail(conn: &Connection, id: &str) -> Result<Option<Detail>, Error> {
    let columns = "id, queue, kind, cause, attempt";
    let dead =
        format!("SELECT {columns}, died_at, reason, {SNOOZES}, body FROM dead_jobs WHERE id = ?1");
    let done =
        format!("SELECT {columns}, finished_at, NULL, {SNOOZES} FROM job_done WHERE id = ?1");
    let mut found =
        conn.query_row(&dead, [id], |row| Ok((ended(row, true)?, Some(row.get(8)?)))).optional()?;
    if found.is_none() {
        found = conn.query_row(&done, [id], |row| Ok((ended(row, false)?, None))).optional()?;
    }
    found.map(|(job, body)| Detail::read(conn, job, body)).transpose()
}

/// The failed attempts of a job, oldest first; those that were put off have no
/// number.
fn attempts(conn: &Connection, id: &str) -> Result<Vec<Attempt>, Error> {
    let sql = "SELECT row_number() OVER (ORDER BY attempt), at, error FROM job_errors \
               WHERE job_id = ?1 AND put_off = 0 ORDER BY attempt";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        Ok(Attempt { attempt: row.get(0)?, at: row.get(1)?, error: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets a dead job; false when there is none of that id. A batch that it is
/// part of waits for it no longer.
///
/// # Errors
/// When it cannot be deleted.
pub async fn discard(data: &Data, id: String) -> Result<bool, Error> {
    data.writer()
        .write(move |tx| {
            let sql = "DELETE FROM dead_jobs WHERE id = ?1 RETURNING body";
            let body = tx.conn().query_row(sql, [id], |row| row.get::<_, Vec<u8>>(0)).optional()?;
            if let Some(job) =
                body.as_ref().and_then(|it| serde_json::from_slice::<Envelope>(it).ok())
            {
                batches::ended(tx, &job)?;
            }
            alerts::resolve_dead(tx)?;
            Ok(body.is_some())
        })
        .await
}

/// Whether the database knows a job of a queue: one that waits, or is over.
///
/// # Errors
/// When it cannot be read.
pub async fn has_any(data: &Data, queue: String) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM dead_jobs WHERE queue = ?1) \
               OR EXISTS (SELECT 1 FROM outbox WHERE substr(subject, 1, length(?2)) = ?2) \
               OR EXISTS (SELECT 1 FROM job_done WHERE queue = ?1)";
    let prefix = subject::job(&queue, "");
    data.readers()
        .read(move |conn| Ok(conn.query_row(sql, [queue, prefix], |row| row.get(0))?))
        .await
}

/// How many jobs are dead, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn dead_by_queue(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    counts(data, "SELECT queue, count(*) FROM dead_jobs GROUP BY queue").await
}

/// How many jobs are dead that failed, and were not called off, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn dead_by_failure(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    let failed = done::HAS_FAILED;
    let sql = format!("SELECT queue, count(*) FROM dead_jobs WHERE {failed} GROUP BY queue");
    counts(data, sql).await
}

/// How many jobs were done in the last day, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn done_by_queue(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    let sql = "SELECT queue, count(*) FROM job_done \
               WHERE finished_at > (unixepoch('now') - 86400) * 1000 GROUP BY queue";
    counts(data, sql).await
}

/// How many attempts failed in the last day, by queue; those of jobs that are
/// still being tried are not known yet.
///
/// # Errors
/// When they cannot be counted.
pub async fn failed_by_queue(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    let sql = "SELECT queue, count(*) FROM job_errors JOIN \
               (SELECT id, queue FROM job_done UNION ALL SELECT id, queue FROM dead_jobs) \
               ON id = job_id WHERE at > (unixepoch('now') - 86400) * 1000 AND put_off = 0 \
               GROUP BY queue";
    counts(data, sql).await
}

/// How many jobs were done in the last minute, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn done_in_a_minute(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    let sql = "SELECT queue, count(*) FROM job_done \
               WHERE finished_at > (unixepoch('now') - 60) * 1000 GROUP BY queue";
    counts(data, sql).await
}

async fn counts(
    data: &Data,
    sql: impl AsRef<str> + Send + 'static,
) -> Result<Vec<(String, i64)>, Error> {
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql.as_ref())?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Forgets what died before `before`. Batches wait for it no longer.
fn forget_dead(tx: &Tx<'_>, before: Instant) -> Result<usize, Error> {
    let of_batches = "SELECT body FROM dead_jobs WHERE died_at < ?1 \
                      AND instr(body, CAST('\"batch\":' AS BLOB)) > 0";
    let mut statement = tx.conn().prepare_cached(of_batches)?;
    let mut rows = statement.query([before])?;
    while let Some(row) = rows.next()? {
        if let Ok(job) = serde_json::from_slice::<Envelope>(&row.get::<_, Vec<u8>>(0)?) {
            batches::ended(tx, &job)?;
        }
    }
    let forgotten = tx.conn().execute("DELETE FROM dead_jobs WHERE died_at < ?1", [before])?;
    alerts::resolve_dead(tx)?;
    Ok(forgotten)
}

/// Forgets what was done before `before`, and what died before `dead`. Keep what
/// was done far longer than a message can live in a stream, else a redelivery
/// would not be known as done.
///
/// # Errors
/// When it cannot be deleted.
pub async fn prune(data: &Data, before: Instant, dead: Instant) -> Result<usize, Error> {
    data.writer()
        .write(move |tx| {
            let conn = tx.conn();
            let done = conn.execute("DELETE FROM job_done WHERE finished_at < ?1", [before])?;
            let died = forget_dead(tx, dead)?;
            let errors = conn.execute("DELETE FROM job_errors WHERE at < ?1", [before])?;
            conn.execute("DELETE FROM job_retries WHERE at < ?1", [before])?;
            conn.execute("DELETE FROM job_orders WHERE expires_at < ?1", [tx.now()])?;
            conn.execute("DELETE FROM job_results WHERE at < ?1", [before])?;
            conn.execute("DELETE FROM job_cancels WHERE at < ?1", [before])?;
            conn.execute("DELETE FROM job_begun WHERE at < ?1", [before])?;
            conn.execute("DELETE FROM job_batches WHERE finished_at < ?1", [before])?;
            conn.execute("DELETE FROM unique_jobs WHERE expires_at < ?1", [before])?;
            Ok(done + died + errors)
        })
        .await
}
