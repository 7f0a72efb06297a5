//! The outbox: messages that leave in the transaction that caused them.
//!
//! A row belongs to the process that wrote it (its *origin*), and that
//! process's relay sends it. What a process without a relay leaves behind is
//! adopted by another, see [`super::Presence`].

mod waiting;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, unique};
use crate::envelope::Envelope;
use crate::events::Event;
use crate::jobs::enqueue::{Enqueue, Hold, Unique};
use crate::jobs::{Job, Travel};
use crate::subject;
use crate::time::Instant;

pub use waiting::{
    Depth, Scheduled, Unsent, by_queue, depth, find_job, scheduled, unsent, unsent_jobs,
};
pub(super) use waiting::{jobs_between, newest, scheduled_job};

/// DEAD keeps so many bytes of a message at most, under NATS's limit of 1 MiB;
/// the row in `dead_jobs` keeps all.
const DEAD_MAX: usize = 900_000;

/// Bytes of the bodies that are read at once, but for the last of them: an image's
/// job is small, and what a gateway has fetched may take a megabyte.
const PAGE_BYTES: usize = 8 << 20;

/// What a [`Row`] is read from.
const COLUMNS: &str = "seq, msg_id, subject, body, packs";

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
    /// Whether it may share a message with others of its subject.
    pub packs: bool,
}

/// The stream that a row goes to. What one of them refuses does not hold up
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// [`subject::JOBS`].
    Jobs,
    /// [`subject::EVENTS`].
    Events,
    /// [`subject::DEAD`].
    Dead,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jobs, Self::Events, Self::Dead];

    /// That of a message.
    pub(crate) fn of(subject: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| subject.starts_with(lane.prefix()))
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Jobs => "jobs.",
            Self::Events => "events.",
            Self::Dead => "dead.",
        }
    }
}

/// Rows of one lane that are due, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The rows.
    pub rows: Vec<Row>,
    /// No row up to here is left out, but those that wait for their time.
    pub seen: i64,
    /// Whether there are more.
    pub more: bool,
}

/// Sends `job` when the transaction commits; gives its id.
///
/// # Errors
/// When the row cannot be written.
pub fn job<J: Job>(tx: &Tx<'_>, job: J, cause: Uuid) -> Result<Uuid, Error> {
    enqueue(tx, Enqueue::new(job, cause))
}

/// Sends a job when the transaction commits; gives its id, or that of the job
/// that holds its key.
///
/// # Errors
/// When the row cannot be written.
pub fn enqueue<P: Serialize>(tx: &Tx<'_>, job: Enqueue<P>) -> Result<Uuid, Error> {
    let Enqueue { queue, envelope, due, travel, unique } = job;
    if let Some(unique) = unique
        && let Some(holder) = unique::take(tx, &queue, &unique, envelope.id)?
    {
        return Ok(holder);
    }
    let subject = subject::job_at(&queue, &envelope.kind, envelope.priority);
    let packs = travel == Travel::Packed;
    let row =
        Outgoing { due, packs, ..Outgoing::now(envelope.msg_id(), subject, envelope.to_json()) };
    insert(tx, row)?;
    Ok(envelope.id)
}

/// Sends a job that failed or was put off once more, not before `due`, as its
/// next attempt; alone, since it may fail again.
///
/// # Errors
/// When the row cannot be written.
pub fn again<P: Serialize>(
    tx: &Tx<'_>,
    queue: &str,
    next: &Envelope<P>,
    due: Instant,
) -> Result<(), Error> {
    let subject = subject::job_at(queue, &next.kind, next.priority);
    let row = Outgoing::now(next.msg_id(), subject, next.to_json());
    insert(tx, Outgoing { due: Some(due), ..row })
}

/// Sends a job of a pack once more, in a message of its own.
///
/// # Errors
/// When the row cannot be written.
pub fn alone<P: Serialize>(tx: &Tx<'_>, queue: &str, job: &Envelope<P>) -> Result<(), Error> {
    let subject = subject::job_at(queue, &job.kind, job.priority);
    insert(tx, Outgoing::now(format!("{}.alone", job.msg_id()), subject, job.to_json()))
}

/// Sends a dead job back to its queue, as it was, with attempts counted anew.
/// It gets a fresh id, since its old one may still be known as a duplicate, and
/// takes its key again.
pub(super) fn replay(
    tx: &Tx<'_>,
    queue: &str,
    key: Option<String>,
    mut dead: Envelope,
) -> Result<Uuid, Error> {
    dead.cause = dead.id;
    dead.id = Uuid::now_v7();
    (dead.attempt, dead.snoozes) = (1, 0);
    let (id, travel) = (dead.id, Travel::Alone);
    let unique = key.map(|key| Unique { key, hold: Hold::UntilOver });
    let queue = Cow::Owned(queue.to_owned());
    match enqueue(tx, Enqueue { queue, envelope: dead, due: None, travel, unique })? {
        sent if sent == id => Ok(id),
        holder => Err(Error::KeyHeld { holder }),
    }
}

/// Tells `event` when the transaction commits.
///
/// # Errors
/// When the row cannot be written.
pub fn event(tx: &Tx<'_>, event: &Event) -> Result<(), Error> {
    let Event { topic, envelope } = event;
    insert(tx, Outgoing::now(envelope.msg_id(), topic.subject(), envelope.to_json()))
}

/// Sends a dead job's bytes to the dead-letter stream.
pub(super) fn dead_letter(
    tx: &Tx<'_>,
    id: &str,
    queue: &str,
    kind: &str,
    body: &[u8],
) -> Result<(), Error> {
    let kept = &body[..body.len().min(DEAD_MAX)];
    insert(tx, Outgoing::now(format!("dead.{id}"), subject::dead(queue, kind), kept.to_vec()))
}

/// A row to be written.
struct Outgoing {
    msg_id: String,
    subject: String,
    body: Vec<u8>,
    due: Option<Instant>,
    packs: bool,
}

impl Outgoing {
    fn now(msg_id: String, subject: String, body: Vec<u8>) -> Self {
        Self { msg_id, subject, body, due: None, packs: false }
    }
}

fn insert(tx: &Tx<'_>, row: Outgoing) -> Result<(), Error> {
    let sql = "INSERT INTO outbox (seq, msg_id, subject, body, origin, created_at, due_at, packs) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Outgoing { msg_id, subject, body, due, packs } = row;
    let seq = tx.take_place()?;
    let row = params![seq, msg_id, subject, body, tx.origin(), tx.now(), due, packs];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    if due.is_none() {
        tx.sends(Row { seq, msg_id, subject, body, packs });
    }
    Ok(())
}

/// What this process has to send now, a [`Due`] a lane: rows after `after[lane]`
/// that go at once, and scheduled ones whose time has come; nothing of a lane
/// without one.
///
/// # Errors
/// When they cannot be read.
pub async fn due(data: &Data, after: [Option<i64>; 3], limit: usize) -> Result<[Due; 3], Error> {
    let origin = data.origin();
    data.readers()
        .read(move |conn| {
            let newest = conn
                .prepare_cached("SELECT coalesce(max(seq), 0) FROM outbox")?
                .query_row([], |row| row.get(0))?;
            let lane = |lane: Lane| match after[lane as usize] {
                Some(after) => select_due(conn, lane, &origin, after, newest, limit),
                None => Ok(Due::default()),
            };
            Ok([lane(Lane::Jobs)?, lane(Lane::Events)?, lane(Lane::Dead)?])
        })
        .await
}

fn select_due(
    conn: &Connection,
    lane: Lane,
    origin: &Arc<str>,
    after: i64,
    newest: i64,
    limit: usize,
) -> Result<Due, Error> {
    let at_once = "SELECT seq, msg_id, subject, body, packs FROM outbox \
                   WHERE seq > ?1 AND seq <= ?2 AND due_at IS NULL AND origin = ?3 \
                   AND substr(subject, 1, ?4) = ?5 ORDER BY seq LIMIT ?6";
    let scheduled = "SELECT seq, msg_id, subject, body, packs FROM outbox \
                     WHERE due_at <= ?1 AND origin = ?2 \
                     AND substr(subject, 1, ?3) = ?4 ORDER BY due_at LIMIT ?5";
    let (prefix, limit) = (lane.prefix(), limit as i64);
    let size = prefix.len() as i64;
    let mut statement = conn.prepare_cached(at_once)?;
    let found = statement.query_map(params![after, newest, &**origin, size, prefix, limit], row)?;
    let (mut rows, cut) = fill(found)?;
    let more = cut || rows.len() as i64 == limit;
    let seen = if more { rows.last().map_or(newest, |row| row.seq) } else { newest };
    let mut statement = conn.prepare_cached(scheduled)?;
    let found =
        statement.query_map(params![Instant::now(), &**origin, size, prefix, limit], row)?;
    rows.extend(fill(found)?.0);
    Ok(Due { rows, seen, more })
}

/// Rows as they come, and whether they were cut off because they are large.
fn fill(found: impl Iterator<Item = rusqlite::Result<Row>>) -> rusqlite::Result<(Vec<Row>, bool)> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for row in found {
        let row = row?;
        bytes += row.body.len();
        rows.push(row);
        if bytes >= PAGE_BYTES {
            return Ok((rows, true));
        }
    }
    Ok((rows, false))
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get(0)?,
        msg_id: row.get(1)?,
        subject: row.get(2)?,
        body: row.get(3)?,
        packs: row.get(4)?,
    })
}

/// Takes rows out of the outbox, to be kept elsewhere in the same transaction.
pub(super) fn take(tx: &Tx<'_>, seq: i64) -> Result<Option<Row>, Error> {
    let sql = format!("DELETE FROM outbox WHERE seq = ?1 RETURNING {COLUMNS}");
    Ok(tx.conn().prepare_cached(&sql)?.query_row([seq], row).optional()?)
}

/// Forgets messages that their stream has stored, with the next change that is
/// flushed anyway; `ended` is told whether that went well.
pub fn forget(data: &Data, seqs: Vec<i64>, ended: impl FnOnce(bool) + Send + 'static) {
    data.writer().later(move |tx| delete(tx, seqs), ended);
}

/// Forgets messages that their stream has stored, and waits for it; those that
/// are forgotten already are no error.
///
/// # Errors
/// When they cannot be deleted.
pub async fn forget_now(data: &Data, seqs: Vec<i64>) -> Result<(), Error> {
    data.writer().write(move |tx| delete(tx, seqs)).await
}

fn delete(tx: &Tx<'_>, seqs: Vec<i64>) -> Result<(), Error> {
    let sql = "DELETE FROM outbox WHERE seq BETWEEN ?1 AND ?2";
    let mut statement = tx.conn().prepare_cached(sql)?;
    for run in runs(seqs) {
        statement.execute([run.start(), run.end()])?;
    }
    Ok(())
}

/// Numbers that follow each other, as ranges: rows of one process mostly do.
fn runs(mut seqs: Vec<i64>) -> Vec<RangeInclusive<i64>> {
    seqs.sort_unstable();
    let mut runs: Vec<RangeInclusive<i64>> = Vec::new();
    for seq in seqs {
        match runs.last_mut() {
            Some(run) if *run.end() + 1 == seq => *run = *run.start()..=seq,
            _ => runs.push(seq..=seq),
        }
    }
    runs
}

/// Has messages that were refused wait until `due`.
///
/// # Errors
/// When the rows cannot be written.
pub async fn postpone(data: &Data, seqs: Vec<i64>, due: Instant) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            let sql = "UPDATE outbox SET due_at = ?2 WHERE seq = ?1";
            let mut statement = tx.conn().prepare_cached(sql)?;
            for seq in seqs {
                statement.execute(params![seq, due])?;
            }
            Ok(())
        })
        .await
}

/// Takes over what processes without a relay have left: rows of any origin that
/// is not among `living`. Gives how many.
///
/// # Errors
/// When the rows cannot be written.
pub async fn adopt(data: &Data, living: Vec<String>) -> Result<usize, Error> {
    let known = serde_json::to_string(&living).expect("a list of strings is JSON");
    let left = "SELECT EXISTS (SELECT 1 FROM outbox \
                WHERE origin NOT IN (SELECT value FROM json_each(?1)))";
    let asked = known.clone();
    let read =
        move |conn: &Connection| Ok::<_, Error>(conn.query_row(left, [asked], |row| row.get(0))?);
    if !data.readers().read::<bool, Error, _>(read).await? {
        return Ok(0);
    }
    let sql = "UPDATE outbox SET origin = ?2 \
               WHERE origin NOT IN (SELECT value FROM json_each(?1))";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, params![known, tx.origin()])?)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_large_rows_is_cut_and_none_is_left_out() {
        let row = |seq, bytes| Row {
            seq,
            msg_id: String::new(),
            subject: String::new(),
            body: vec![0; bytes],
            packs: false,
        };
        let found = (0..30).map(|seq| Ok(row(seq, 1 << 20)));
        let (rows, cut) = fill(found).unwrap();
        assert_eq!((rows.len(), rows.last().unwrap().seq, cut), (8, 7, true));
        let (rows, cut) = fill((0..30).map(|seq| Ok(row(seq, 10)))).unwrap();
        assert_eq!((rows.len(), cut), (30, false));
    }

    #[test]
    fn only_rows_that_were_sent_are_in_the_ranges() {
        assert_eq!(runs(vec![3, 1, 2, 7, 9, 8]), [1..=3, 7..=9]);
        assert!(runs(Vec::new()).is_empty());
    }
}
