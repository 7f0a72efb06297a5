//! Periodic jobs: when each is due and was sent last, so that several workers send
//! it once, and one that was missed is made up for, once.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, outbox};
use crate::jobs::enqueue::Enqueue;
use crate::queues::Schedule;
use crate::time::Instant;

/// What is known of a periodic job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its name.
    pub name: String,
    /// When it is due.
    pub due: Instant,
    /// When it was sent last.
    pub last: Option<Instant>,
    /// The job that was sent then.
    pub job: Option<Uuid>,
}

/// Whether the job `name` is due. One that was never sent is due at once when it
/// has an `every`, and else at its first time. One whose schedule is another now is
/// due by that.
///
/// # Errors
/// When it cannot be read or written.
pub async fn is_due(data: &Data, name: String, schedule: &Schedule) -> Result<bool, Error> {
    let now = Instant::now();
    let Some(next) = schedule.after(now) else { return Ok(false) };
    let sql = "SELECT due_at FROM periodic_jobs WHERE name = ?1";
    let asked = name.clone();
    let read = move |conn: &Connection| {
        Ok::<_, Error>(conn.query_row(sql, [asked], |row| row.get(0)).optional()?)
    };
    let due: Option<Instant> = data.readers().read(read).await?;
    match due {
        Some(due) if due <= now => Ok(true),
        None if matches!(schedule, Schedule::Every(_)) => Ok(true),
        Some(due) if due == next => Ok(false),
        _ => note(data, name, next, now).await.map(|()| false),
    }
}

/// Forgets periodic jobs that are none any more: one that comes back under the same
/// name begins anew.
///
/// # Errors
/// When a row cannot be written.
pub async fn keep_only(data: &Data, names: Vec<String>) -> Result<(), Error> {
    let names = serde_json::to_string(&names).expect("a list of strings is JSON");
    let sql = "DELETE FROM periodic_jobs WHERE name NOT IN (SELECT value FROM json_each(?1))";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, [names]).map(|_| ())?)).await
}

/// Has it be due at `next`, unless it has fallen due meanwhile.
async fn note(data: &Data, name: String, next: Instant, now: Instant) -> Result<(), Error> {
    let sql = "INSERT INTO periodic_jobs (name, due_at) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET due_at = ?2 WHERE due_at > ?3";
    data.writer()
        .write(move |tx| Ok(tx.conn().execute(sql, params![name, next, now]).map(|_| ())?))
        .await
}

/// Sends the job `name`, unless another process did; the next one is due at the
/// schedule's next time, so that a restart moves nothing, and what was missed is
/// made up for once. While another job holds its key, it is left out this time.
///
/// # Errors
/// When a row cannot be written.
pub async fn send<P: Serialize + Send + 'static>(
    data: &Data,
    name: String,
    schedule: Schedule,
    job: Enqueue<P>,
) -> Result<(), Error> {
    let send = move |tx: &Tx<'_>| {
        let Some(next) = schedule.after(tx.now()) else { return Ok(()) };
        let sql = "INSERT INTO periodic_jobs (name, due_at) VALUES (?1, ?2) \
                   ON CONFLICT (name) DO UPDATE SET due_at = ?2 WHERE due_at <= ?3";
        if tx.conn().execute(sql, params![name, next, tx.now()])? == 1 {
            send_now(tx, &name, job)?;
        }
        Ok(())
    };
    data.writer().write(send).await
}

fn send_now<P: Serialize>(tx: &Tx<'_>, name: &str, job: Enqueue<P>) -> Result<(), Error> {
    let id = job.envelope.id;
    if outbox::enqueue(tx, job)? == id {
        let sql = "UPDATE periodic_jobs SET last_at = ?2, last_job = ?3 WHERE name = ?1";
        tx.conn().execute(sql, params![name, tx.now(), id.to_string()])?;
    }
    Ok(())
}

/// All that were ever due, by name.
///
/// # Errors
/// When they cannot be read.
pub async fn noted(data: &Data) -> Result<Vec<Noted>, Error> {
    let sql = "SELECT name, due_at, last_at, last_job FROM periodic_jobs ORDER BY name";
    let read = |row: &Row<'_>| {
        let job: Option<String> = row.get(3)?;
        let job = job.and_then(|id| id.parse().ok());
        Ok(Noted { name: row.get(0)?, due: row.get(1)?, last: row.get(2)?, job })
    };
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}
