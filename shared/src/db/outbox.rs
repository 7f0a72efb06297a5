//! The outbox: messages that leave in the transaction that caused them.

use std::time::Duration;

use rusqlite::params;
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx};
use crate::envelope::Envelope;
use crate::events::Event;
use crate::jobs::Job;
use crate::subject;
use crate::time::Instant;

/// After this long a row is relayed by whichever process sees it: the one that
/// wrote it may be gone.
const ORPHANED_AFTER: Duration = Duration::from_secs(2);

/// A message on its way to its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place in the outbox.
    pub seq: i64,
    /// `Nats-Msg-Id`: a second send is refused as a duplicate.
    pub msg_id: String,
    /// Where it goes.
    pub subject: String,
    /// The envelope.
    pub body: Vec<u8>,
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Messages that are due.
    pub due: i64,
    /// Messages whose time has not come.
    pub scheduled: i64,
    /// Age of the oldest that is due, in milliseconds.
    pub oldest_ms: i64,
}

/// Sends `job` when the transaction commits; gives its id.
///
/// # Errors
/// When the row cannot be written.
pub fn job<J: Job>(tx: &Tx<'_>, job: J, cause: Uuid) -> Result<Uuid, Error> {
    job_at(tx, job, cause, tx.now())
}

/// Sends `job` not before `due`; gives its id.
///
/// # Errors
/// When the row cannot be written.
pub fn job_at<J: Job>(tx: &Tx<'_>, job: J, cause: Uuid, due: Instant) -> Result<Uuid, Error> {
    let envelope = job.envelope(cause);
    let (id, msg_id) = (envelope.id, envelope.msg_id());
    insert(tx, &msg_id, &J::subject(), &envelope.to_json(), due)?;
    Ok(id)
}

/// Sends a failed job once more, not before `due`, as its next attempt.
///
/// # Errors
/// When the row cannot be written.
pub fn retry<P: Serialize + Clone>(
    tx: &Tx<'_>,
    queue: &str,
    failed: &Envelope<P>,
    due: Instant,
) -> Result<(), Error> {
    let mut next = failed.clone();
    next.attempt += 1;
    let subject = subject::job(queue, &next.kind);
    insert(tx, &next.msg_id(), &subject, &next.to_json(), due)
}

/// Sends a dead job back to its queue, as it was, with attempts counted anew.
/// It gets a fresh id, since its old one may still be known as a duplicate.
pub(super) fn replay(tx: &Tx<'_>, queue: &str, mut dead: Envelope) -> Result<Uuid, Error> {
    dead.cause = dead.id;
    dead.id = Uuid::now_v7();
    dead.attempt = 1;
    let subject = subject::job(queue, &dead.kind);
    insert(tx, &dead.msg_id(), &subject, &dead.to_json(), tx.now())?;
    Ok(dead.id)
}

/// Tells `event` when the transaction commits.
///
/// # Errors
/// When the row cannot be written.
pub fn event(tx: &Tx<'_>, event: &Event) -> Result<(), Error> {
    let Event { topic, envelope } = event;
    insert(tx, &envelope.msg_id(), &topic.subject(), &envelope.to_json(), tx.now())
}

/// Sends a dead job's bytes to the dead-letter stream.
pub(super) fn dead_letter(
    tx: &Tx<'_>,
    id: &str,
    queue: &str,
    kind: &str,
    body: &[u8],
) -> Result<(), Error> {
    insert(tx, &format!("dead.{id}"), &subject::dead(queue, kind), body, tx.now())
}

fn insert(
    tx: &Tx<'_>,
    msg_id: &str,
    subject: &str,
    body: &[u8],
    due: Instant,
) -> Result<(), Error> {
    let sql = "INSERT INTO outbox (msg_id, subject, body, origin, created_at, due_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (msg_id) DO NOTHING";
    let row = params![msg_id, subject, body, tx.origin(), tx.now(), due];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    tx.outbox_filled();
    Ok(())
}

/// The oldest messages that are due and are this process's, or nobody's.
///
/// # Errors
/// When they cannot be read.
pub async fn due(data: &Data, limit: usize) -> Result<Vec<Row>, Error> {
    let origin = data.origin().to_owned();
    data.readers().read(move |conn| select_due(conn, &origin, limit)).await
}

fn select_due(conn: &rusqlite::Connection, origin: &str, limit: usize) -> Result<Vec<Row>, Error> {
    let sql = "SELECT seq, msg_id, subject, body FROM outbox \
               WHERE due_at <= ?1 AND (origin = ?2 OR max(created_at, due_at) <= ?3) \
               ORDER BY seq LIMIT ?4";
    let now = Instant::now();
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(
        params![now, origin, now.minus(ORPHANED_AFTER), limit as i64],
        |row| {
            Ok(Row {
                seq: row.get(0)?,
                msg_id: row.get(1)?,
                subject: row.get(2)?,
                body: row.get(3)?,
            })
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets messages that their stream has stored.
///
/// # Errors
/// When they cannot be deleted; they are then sent again, and refused as
/// duplicates.
pub async fn forget(data: &Data, seqs: Vec<i64>) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            let mut statement = tx.conn().prepare_cached("DELETE FROM outbox WHERE seq = ?1")?;
            for seq in seqs {
                statement.execute([seq])?;
            }
            Ok(())
        })
        .await
}

/// How much waits.
///
/// # Errors
/// When it cannot be read.
pub async fn depth(data: &Data) -> Result<Depth, Error> {
    let sql = "SELECT count(*) FILTER (WHERE due_at <= ?1), count(*) FILTER (WHERE due_at > ?1), \
               coalesce(?1 - min(max(created_at, due_at)) FILTER (WHERE due_at <= ?1), 0) \
               FROM outbox";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Depth { due: row.get(0)?, scheduled: row.get(1)?, oldest_ms: row.get(2)? })
    };
    data.readers().read(move |conn| Ok(conn.query_row(sql, [Instant::now()], read)?)).await
}

/// A job whose time has not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// `jobs.<queue>.<kind>`.
    pub subject: String,
    /// The envelope.
    pub body: Vec<u8>,
    /// When it is due.
    pub due: Instant,
}

/// The jobs whose time has not come, the next first.
///
/// # Errors
/// When they cannot be read.
pub async fn scheduled(data: &Data, limit: usize) -> Result<Vec<Scheduled>, Error> {
    let sql = "SELECT subject, body, due_at FROM outbox \
               WHERE due_at > ?1 AND subject LIKE 'jobs.%' ORDER BY due_at, seq LIMIT ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Scheduled { subject: row.get(0)?, body: row.get(1)?, due: row.get(2)? })
    };
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![Instant::now(), limit as i64], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// When the next scheduled message is due.
///
/// # Errors
/// When it cannot be read.
pub async fn next_due(data: &Data) -> Result<Option<Instant>, Error> {
    let sql = "SELECT min(due_at) FROM outbox WHERE due_at > ?1";
    data.readers()
        .read(move |conn| Ok(conn.query_row(sql, [Instant::now()], |row| row.get(0))?))
        .await
}
