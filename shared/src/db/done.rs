//! How jobs end: done exactly once, or dead and kept.

mod stranded;

use std::collections::HashSet;

use rusqlite::{CachedStatement, Connection, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, alerts, batches, outbox, unique};
use crate::envelope::Envelope;
use crate::events::{Event, JobChange, JobNews};
use crate::time::Instant;

pub use stranded::{Stranded, bury_message, keep_unfit};

/// Marks jobs of one queue as done, in one transaction: a statement for all of
/// them, and one look for attempts that have failed.
pub struct Marks<'tx> {
    tx: &'tx Tx<'tx>,
    queue: &'tx str,
    insert: CachedStatement<'tx>,
    /// Whether one of the jobs may have a failed attempt.
    failures: bool,
}

impl<'tx> Marks<'tx> {
    /// For `jobs`.
    ///
    /// # Errors
    /// When it cannot be read whether attempts failed.
    pub fn new(
        tx: &'tx Tx<'_>,
        queue: &'tx str,
        jobs: impl Iterator<Item = Uuid> + Clone,
    ) -> Result<Self, Error> {
        let insert = "INSERT INTO job_done (id, queue, kind, cause, attempt, finished_at) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";
        let insert = tx.conn().prepare_cached(insert)?;
        let failures = have_failed_among(tx, jobs)?;
        Ok(Self { tx, queue, insert, failures })
    }

    /// Marks the job done; false when it was done before, or when this attempt
    /// is known to have failed: its effect must not happen then. The
    /// transaction holds the effect.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn once<P>(&mut self, job: &Envelope<P>) -> Result<bool, Error> {
        // Not one statement with INSERT … SELECT, for which SQLite keeps a
        // journal of its own.
        if self.failures && has_failed(self.tx, job)? {
            return Ok(false);
        }
        let (mut id, mut cause) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        let id: &str = job.id.hyphenated().encode_lower(&mut id);
        let cause: &str = job.cause.hyphenated().encode_lower(&mut cause);
        let row = params![id, self.queue, job.kind, cause, job.attempt, self.tx.now()];
        Ok(self.insert.execute(row)? == 1)
    }
}

/// Whether an attempt has failed at one of `jobs`, or at one with an id between
/// theirs: ids are ordered by time, so that one look tells it of a pack.
fn have_failed_among(tx: &Tx<'_>, jobs: impl Iterator<Item = Uuid> + Clone) -> Result<bool, Error> {
    let (Some(first), Some(last)) = (jobs.clone().min(), jobs.max()) else {
        return Ok(false);
    };
    let sql = "SELECT EXISTS (SELECT 1 FROM job_errors WHERE job_id BETWEEN ?1 AND ?2)";
    let row = [first.to_string(), last.to_string()];
    Ok(tx.conn().prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Marks one job done, as [`Marks::once`] does.
///
/// # Errors
/// When the row cannot be written.
pub fn once<P>(tx: &Tx<'_>, queue: &str, job: &Envelope<P>) -> Result<bool, Error> {
    Marks::new(tx, queue, std::iter::once(job.id))?.once(job)
}

const IS_OVER: &str = "SELECT EXISTS (SELECT 1 FROM job_done WHERE id = ?1) \
                       OR EXISTS (SELECT 1 FROM dead_jobs WHERE id = ?1)";

/// Whether the job is done or dead already.
///
/// # Errors
/// When it cannot be read.
pub async fn is_over(data: &Data, id: Uuid) -> Result<bool, Error> {
    let id = id.to_string();
    data.readers().read(move |conn| Ok(conn.query_row(IS_OVER, [id], |row| row.get(0))?)).await
}

/// Whether the job is done or dead already, as this transaction sees it.
///
/// # Errors
/// When it cannot be read.
pub fn is_over_in(tx: &Tx<'_>, id: &str) -> Result<bool, Error> {
    let mut statement = tx.conn().prepare_cached(IS_OVER)?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

/// The jobs that are not to run and are not over: few, and mostly none.
///
/// # Errors
/// When they cannot be read.
pub fn cancels(tx: &Tx<'_>) -> Result<HashSet<String>, Error> {
    select_cancels(tx.conn())
}

/// The same, outside of a transaction.
///
/// # Errors
/// When they cannot be read.
pub async fn cancelled_and_not_over(data: &Data) -> Result<HashSet<String>, Error> {
    data.readers().read(select_cancels).await
}

fn select_cancels(conn: &Connection) -> Result<HashSet<String>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT job_id FROM job_cancels \
         WHERE NOT EXISTS (SELECT 1 FROM job_done WHERE id = job_id) \
         AND NOT EXISTS (SELECT 1 FROM dead_jobs WHERE id = job_id)",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether the job is not to run.
///
/// # Errors
/// When it cannot be read.
pub async fn is_cancelled(data: &Data, id: Uuid) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job_cancels WHERE job_id = ?1)";
    let id = id.to_string();
    data.readers().read(move |conn| Ok(conn.query_row(sql, [id], |row| row.get(0))?)).await
}

/// Frees what the job holds as long as it is not over: its key, and its place
/// in a batch when it is done.
///
/// # Errors
/// When a row cannot be written.
pub fn release<P>(tx: &Tx<'_>, job: &Envelope<P>) -> Result<(), Error> {
    let _free = unique::release(tx, job)?;
    batches::ended(tx, job)
}

/// Writes down that an attempt failed, and why. False when it was written
/// before: the message came twice.
///
/// # Errors
/// When the row cannot be written.
pub fn failed<P>(tx: &Tx<'_>, job: &Envelope<P>, error: &str) -> Result<bool, Error> {
    ended_without(tx, job, error, false)
}

/// Writes down that an attempt ended and the job is not done: it failed, or was
/// put off.
fn ended_without<P>(
    tx: &Tx<'_>,
    job: &Envelope<P>,
    why: &str,
    put_off: bool,
) -> Result<bool, Error> {
    let sql = "INSERT INTO job_errors (job_id, attempt, at, error, put_off) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let row = params![job.id.to_string(), job.attempt, tx.now(), why, put_off];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? == 1)
}

/// Whether this attempt is known to have failed, or to have been put off: what
/// follows from it was written with it, so a second delivery has nothing to do.
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
        let next = Envelope { attempt: job.attempt + 1, ..job.clone() };
        outbox::again(tx, queue, &next, due)?;
        tell(tx, queue, job, JobNews::Retrying, Some(error))?;
    }
    Ok(())
}

/// Puts a job off until `due`, which counts against none of its limits.
///
/// # Errors
/// When a row cannot be written.
pub fn snooze<P: Serialize + Clone>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
    due: Instant,
) -> Result<(), Error> {
    if ended_without(tx, job, "put off", true)? {
        let (attempt, snoozes) = (job.attempt + 1, job.snoozes + 1);
        let next = Envelope { attempt, snoozes, ..job.clone() };
        outbox::again(tx, queue, &next, due)?;
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
    if lay_down(tx, queue, job, reason)? {
        let (id, kind) = (job.id, &job.kind);
        let text = format!("job {id} of queue {queue} ({kind}) is dead: {reason}");
        alerts::raise_dead(tx, (queue, kind), &text, job.cause)?;
    }
    Ok(())
}

/// Why a job is dead that the admin called off.
pub const CANCELLED: &str = "cancelled by the admin";
/// That a dead job failed, as the index `failed_jobs` has it.
pub(super) const HAS_FAILED: &str = "reason <> 'cancelled by the admin'";

/// Gives a job up because the admin wants it: no alert is raised. False when it was
/// dead before.
///
/// # Errors
/// When a row cannot be written.
pub fn cancelled<P: Serialize>(tx: &Tx<'_>, queue: &str, job: &Envelope<P>) -> Result<bool, Error> {
    tx.conn().execute("DELETE FROM job_cancels WHERE job_id = ?1", [job.id.to_string()])?;
    lay_down(tx, queue, job, CANCELLED)
}

/// Calls off a job that the admin has cancelled; false when nobody has, or when
/// it is over.
///
/// # Errors
/// When a row cannot be read or written.
pub fn call_off_if_asked<P: Serialize>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
) -> Result<bool, Error> {
    let id = job.id.to_string();
    let sql = "SELECT EXISTS (SELECT 1 FROM job_cancels WHERE job_id = ?1)";
    let asked: bool = tx.conn().prepare_cached(sql)?.query_row([&id], |row| row.get(0))?;
    if !asked || is_over_in(tx, &id)? {
        return Ok(false);
    }
    cancelled(tx, queue, job)?;
    Ok(true)
}

/// Keeps a job as dead, and this attempt as its last: delivered again, it does
/// not run. False when it was kept before.
fn lay_down<P: Serialize>(
    tx: &Tx<'_>,
    queue: &str,
    job: &Envelope<P>,
    reason: &str,
) -> Result<bool, Error> {
    failed(tx, job, reason)?;
    let dead = DeadJob {
        unique_key: unique::release(tx, job)?,
        id: &job.id.to_string(),
        queue,
        kind: &job.kind,
        cause: job.cause,
        attempt: job.attempt,
        reason,
        body: &job.to_json(),
    };
    let new = keep_dead(tx, &dead)?;
    if new {
        tell(tx, queue, job, JobNews::Dead, Some(reason))?;
    }
    Ok(new)
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
    let dead = DeadJob { id, queue, kind, cause, attempt: 1, reason, body, unique_key: None };
    if keep_dead(tx, &dead)? {
        let text = format!("a message of queue {queue} ({kind}) is dead: {reason}");
        alerts::raise_dead(tx, (queue, kind), &text, cause)?;
    }
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
    /// The key that it held until now.
    unique_key: Option<String>,
}

fn keep_dead(tx: &Tx<'_>, dead: &DeadJob<'_>) -> Result<bool, Error> {
    let sql = "INSERT INTO dead_jobs \
               (id, queue, kind, cause, attempt, reason, body, died_at, unique_key) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING";
    let DeadJob { id, queue, kind, cause, attempt, reason, body, ref unique_key } = *dead;
    let cause = cause.to_string();
    let row = params![id, queue, kind, cause, attempt, reason, body, tx.now(), unique_key];
    let new = tx.conn().prepare_cached(sql)?.execute(row)? == 1;
    if new {
        outbox::dead_letter(tx, id, queue, kind, body)?;
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
    state: JobNews,
    error: Option<&str>,
) -> Result<(), Error> {
    let error = error.map(str::to_owned);
    let change = JobChange { error, ..JobChange::new(queue, job, state) };
    outbox::event(tx, &Event::job(&change))
}
