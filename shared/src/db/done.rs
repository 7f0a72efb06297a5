//! How jobs end: done exactly once, or dead and kept.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Page, Tx, alerts, outbox};
use crate::envelope::Envelope;
use crate::events::{AlertLevel, Event, JobChange};
use crate::subject;
use crate::time::Instant;

/// A job that ended, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ended {
    /// The job's id; for a poison message, the id it was given.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// `done` or `dead`.
    pub state: &'static str,
    /// The id of what led to it.
    pub cause: String,
    /// The attempt that ended it.
    pub attempt: u32,
    /// When it ended.
    pub at: Instant,
    /// Why it died.
    pub reason: Option<String>,
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it failed.
    pub at: Instant,
    /// Why.
    pub error: String,
}

/// A job with all that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub job: Ended,
    /// Every failed attempt, oldest first.
    pub errors: Vec<Attempt>,
    /// The message as it came, when the job is dead (lossy where it is no text).
    pub body: Option<String>,
}

/// Marks the job done; false when it was done before, and its effect must not
/// happen again. The caller's transaction holds the effect.
///
/// # Errors
/// When the row cannot be written.
pub fn once<P>(tx: &Tx<'_>, queue: &str, job: &Envelope<P>) -> Result<bool, Error> {
    let sql = "INSERT INTO job_done (id, queue, kind, cause, attempt, finished_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";
    let (id, cause) = (job.id.to_string(), job.cause.to_string());
    let row = params![id, queue, job.kind, cause, job.attempt, tx.now()];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? == 1)
}

/// Whether the job is done or dead already.
///
/// # Errors
/// When it cannot be read.
pub async fn is_over(data: &Data, id: Uuid) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job_done WHERE id = ?1) \
               OR EXISTS (SELECT 1 FROM dead_jobs WHERE id = ?1)";
    let id = id.to_string();
    data.readers().read(move |conn| Ok(conn.query_row(sql, [id], |row| row.get(0))?)).await
}

/// Writes down that an attempt failed, and why. False when it was written
/// before: the message came twice.
///
/// # Errors
/// When the row cannot be written.
pub fn failed<P>(tx: &Tx<'_>, job: &Envelope<P>, error: &str) -> Result<bool, Error> {
    let sql = "INSERT INTO job_errors (job_id, attempt, at, error) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT DO NOTHING";
    let row = params![job.id.to_string(), job.attempt, tx.now(), error];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? == 1)
}

/// Whether this attempt is known to have failed: what follows from it was
/// written with it, so a second delivery has nothing to do.
///
/// # Errors
/// When it cannot be read.
pub fn has_failed<P>(tx: &Tx<'_>, job: &Envelope<P>) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job_errors WHERE job_id = ?1 AND attempt = ?2)";
    let row = params![job.id.to_string(), job.attempt];
    let mut statement = tx.conn().prepare_cached(sql)?;
    Ok(statement.query_row(row, |row| row.get(0))?)
}

/// Sends a failed job again, not before `due`, and tells the admin's pages.
///
/// # Errors
/// When a row cannot be written.
pub fn retry<P: Serialize + Clone>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
    error: &str,
    due: Instant,
) -> Result<(), Error> {
    if failed(tx, job, error)? {
        outbox::retry(tx, queue, job, due)?;
        tell(tx, queue, job, "retrying", Some(error))?;
    }
    Ok(())
}

/// Gives a job up: kept with its bytes, sent to the dead letters, and alerted.
///
/// # Errors
/// When a row cannot be written.
pub fn bury<P: Serialize>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
    reason: &str,
) -> Result<(), Error> {
    failed(tx, job, reason)?;
    let dead = DeadJob {
        id: &job.id.to_string(),
        queue,
        kind: &job.kind,
        cause: job.cause,
        attempt: job.attempt,
        reason,
        body: &job.to_json(),
    };
    if keep_dead(tx, &dead)? {
        tell(tx, queue, job, "dead", Some(reason))?;
    }
    Ok(())
}

/// Keeps a message that is no job at all as a dead job, with its bytes.
/// `id` names the message, such as its stream and sequence.
///
/// # Errors
/// When a row cannot be written.
pub fn bury_poison(
    tx: &Tx<'_>,
    id: &str,
    (queue, kind): (&str, &str),
    body: &[u8],
    reason: &str,
) -> Result<(), Error> {
    let cause = Uuid::nil();
    keep_dead(tx, &DeadJob { id, queue, kind, cause, attempt: 1, reason, body })?;
    Ok(())
}

struct DeadJob<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    cause: Uuid,
    attempt: u32,
    reason: &'a str,
    body: &'a [u8],
}

fn keep_dead(tx: &Tx<'_>, dead: &DeadJob<'_>) -> Result<bool, Error> {
    let sql = "INSERT INTO dead_jobs (id, queue, kind, cause, attempt, reason, body, died_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
    let DeadJob { id, queue, kind, cause, attempt, reason, body } = *dead;
    let row = params![id, queue, kind, cause.to_string(), attempt, reason, body, tx.now()];
    let new = tx.conn().prepare_cached(sql)?.execute(row)? == 1;
    if new {
        outbox::dead_letter(tx, id, queue, kind, body)?;
        let text = format!("job {id} of queue {queue} ({kind}) is dead: {reason}");
        alerts::raise(tx, AlertLevel::Errors, &text, cause)?;
    }
    Ok(new)
}

/// Tells the admin's pages what became of a job.
///
/// # Errors
/// When the row cannot be written.
pub fn tell<P>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
    state: &str,
    error: Option<&str>,
) -> Result<(), Error> {
    let change = JobChange {
        job: job.id,
        queue: queue.to_owned(),
        kind: job.kind.clone(),
        state: state.to_owned(),
        attempt: job.attempt,
        error: error.map(str::to_owned),
    };
    outbox::event(tx, &Event::job(&change, job.id))
}

/// Ended jobs, newest first; `state` is `done` or `dead`, `after` a cursor.
///
/// # Errors
/// When they cannot be read.
pub async fn list(
    data: &Data,
    dead: bool,
    queue: Option<String>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Ended>, Error> {
    let (table, at, reason) =
        if dead { ("dead_jobs", "died_at", "reason") } else { ("job_done", "finished_at", "NULL") };
    let sql = format!(
        "SELECT id, queue, kind, cause, attempt, {at}, {reason} FROM {table} \
         WHERE (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR ({at}, id) < (?2, ?3)) \
         ORDER BY {at} DESC, id DESC LIMIT ?4"
    );
    let cursor = after.as_deref().and_then(|cursor| cursor.split_once('_'));
    let (at, id) =
        cursor.map_or((None, String::new()), |(at, id)| (at.parse::<i64>().ok(), id.to_owned()));
    let rows = data.readers().read(move |conn| {
        let mut statement = conn.prepare_cached(&sql)?;
        let row = params![queue, at, id, limit as i64 + 1];
        let jobs = statement.query_map(row, |row| ended(row, dead))?;
        Ok::<_, Error>(jobs.collect::<Result<Vec<_>, _>>()?)
    });
    let cursor = |job: &Ended| format!("{}_{}", job.at.millis(), job.id);
    Ok(Page::cut(rows.await?, limit, cursor))
}

fn ended(row: &rusqlite::Row<'_>, dead: bool) -> rusqlite::Result<Ended> {
    Ok(Ended {
        id: row.get(0)?,
        queue: row.get(1)?,
        kind: row.get(2)?,
        state: if dead { "dead" } else { "done" },
        cause: row.get(3)?,
        attempt: row.get(4)?,
        at: row.get(5)?,
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

fn select_detail(conn: &rusqlite::Connection, id: &str) -> Result<Option<Detail>, Error> {
    let dead = "SELECT id, queue, kind, cause, attempt, died_at, reason, body FROM dead_jobs \
                WHERE id = ?1";
    let done = "SELECT id, queue, kind, cause, attempt, finished_at, NULL, NULL FROM job_done \
                WHERE id = ?1";
    let body = |row: &rusqlite::Row<'_>| {
        let bytes = row.get::<_, Option<Vec<u8>>>(7)?;
        Ok::<_, rusqlite::Error>(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    };
    let mut found =
        conn.query_row(dead, [id], |row| Ok((ended(row, true)?, body(row)?))).optional()?;
    if found.is_none() {
        found = conn.query_row(done, [id], |row| Ok((ended(row, false)?, None))).optional()?;
    }
    let Some((job, body)) = found else {
        return Ok(None);
    };
    Ok(Some(Detail { job, errors: attempts(conn, id)?, body }))
}

/// The failed attempts of a job, oldest first; one that is still being tried
/// has them, too.
///
/// # Errors
/// When they cannot be read.
pub async fn errors_of(data: &Data, id: String) -> Result<Vec<Attempt>, Error> {
    data.readers().read(move |conn| attempts(conn, &id)).await
}

fn attempts(conn: &rusqlite::Connection, id: &str) -> Result<Vec<Attempt>, Error> {
    let sql = "SELECT attempt, at, error FROM job_errors WHERE job_id = ?1 ORDER BY attempt";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        Ok(Attempt { attempt: row.get(0)?, at: row.get(1)?, error: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sends a dead job back to its queue. `None` when there is none of that id;
/// else the id it runs under now, or `Err` when its bytes are no job.
///
/// # Errors
/// When it cannot be read or written.
pub async fn replay(data: &Data, id: String) -> Result<Option<Uuid>, Error> {
    data.writer().write(move |tx| replay_in(tx, &id)).await
}

fn replay_in(tx: &Tx<'_>, id: &str) -> Result<Option<Uuid>, Error> {
    let sql = "SELECT queue, body FROM dead_jobs WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
    let Some((queue, body)) = tx.conn().query_row(sql, [id], read).optional()? else {
        return Ok(None);
    };
    let job = serde_json::from_slice::<Envelope>(&body).ok();
    let Some(job) = job.filter(|job| job.kind.split('.').all(subject::is_word)) else {
        let value = String::from_utf8_lossy(&body).chars().take(80).collect();
        return Err(Error::Corrupt { value, expected: "a job's envelope" });
    };
    let id_now = outbox::replay(tx, &queue, job)?;
    tx.conn().execute("DELETE FROM dead_jobs WHERE id = ?1", [id])?;
    Ok(Some(id_now))
}

/// Forgets a dead job; false when there is none of that id.
///
/// # Errors
/// When it cannot be deleted.
pub async fn discard(data: &Data, id: String) -> Result<bool, Error> {
    let sql = "DELETE FROM dead_jobs WHERE id = ?1";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, [id])? == 1)).await
}

/// How many jobs are dead, by queue.
///
/// # Errors
/// When they cannot be counted.
pub async fn dead_by_queue(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    counts(data, "SELECT queue, count(*) FROM dead_jobs GROUP BY queue").await
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
               ON id = job_id WHERE at > (unixepoch('now') - 86400) * 1000 GROUP BY queue";
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

async fn counts(data: &Data, sql: &'static str) -> Result<Vec<(String, i64)>, Error> {
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Forgets what ended before `before`. Keep it far longer than a message can
/// live in a stream, else a redelivery would not be known as done.
///
/// # Errors
/// When it cannot be deleted.
pub async fn prune(data: &Data, before: Instant) -> Result<usize, Error> {
    data.writer()
        .write(move |tx| {
            let conn = tx.conn();
            let done = conn.execute("DELETE FROM job_done WHERE finished_at < ?1", [before])?;
            let dead = conn.execute("DELETE FROM dead_jobs WHERE died_at < ?1", [before])?;
            let errors = conn.execute("DELETE FROM job_errors WHERE at < ?1", [before])?;
            Ok(done + dead + errors)
        })
        .await
}
