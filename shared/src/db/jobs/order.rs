//! Orders from outside: all of a request or none, and each request once.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::db::{Data, Error, Tx, outbox};
use crate::jobs::enqueue::Enqueue;
use crate::time::Instant;

/// How long a request is known by its key.
const KEY_LIFE: Duration = Duration::from_secs(86_400);

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The job's id; of a duplicate, that of the job that holds its key.
    pub id: Uuid,
    /// Whether another job holds its key, so that no new one was made.
    pub duplicate: bool,
}

/// By what a request is known when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Its key, hashed.
    pub key: String,
    /// What it asks for, hashed.
    pub request: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// Its orders are on disk: each in its place.
    Placed(Vec<Placed>),
    /// Its key belongs to another request.
    OtherRequest,
}

/// Orders jobs, all in one transaction. A request that came before gets the answer
/// that it got then.
///
/// # Errors
/// When they cannot be written; then none is ordered.
pub async fn order(
    data: &Data,
    jobs: Vec<Enqueue<Value>>,
    once: Option<Once>,
) -> Result<Ordered, Error> {
    data.writer().write(move |tx| order_in(tx, jobs, once.as_ref())).await
}

/// The answer that a request got when it came before.
///
/// # Errors
/// When it cannot be read.
pub async fn ordered_before(data: &Data, once: Once) -> Result<Option<Ordered>, Error> {
    data.readers().read(move |conn| known(conn, &once, Instant::now())).await
}

fn order_in(tx: &Tx<'_>, jobs: Vec<Enqueue<Value>>, once: Option<&Once>) -> Result<Ordered, Error> {
    if let Some(once) = once
        && let Some(known) = known(tx.conn(), once, tx.now())?
    {
        return Ok(known);
    }
    let placed = jobs.into_iter().map(|job| place(tx, job)).collect::<Result<Vec<_>, _>>()?;
    if let Some(once) = once {
        keep(tx, once, &placed)?;
    }
    Ok(Ordered::Placed(placed))
}

fn place(tx: &Tx<'_>, job: Enqueue<Value>) -> Result<Placed, Error> {
    let fresh = job.envelope.id;
    let id = outbox::enqueue(tx, job)?;
    Ok(Placed { id, duplicate: id != fresh })
}

fn known(conn: &Connection, once: &Once, now: Instant) -> Result<Option<Ordered>, Error> {
    let sql = "SELECT request, answer FROM job_orders WHERE key = ?1 AND expires_at > ?2";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_row(params![once.key, now], read).optional()?;
    let Some((request, answer)) = found else { return Ok(None) };
    if request != once.request {
        return Ok(Some(Ordered::OtherRequest));
    }
    match serde_json::from_str(&answer) {
        Ok(placed) => Ok(Some(Ordered::Placed(placed))),
        Err(_) => Err(Error::Corrupt { value: answer, expected: "the answer to an order" }),
    }
}

fn keep(tx: &Tx<'_>, once: &Once, placed: &[Placed]) -> Result<(), Error> {
    let sql = "INSERT INTO job_orders (key, request, answer, expires_at) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (key) DO UPDATE SET request = ?2, answer = ?3, expires_at = ?4";
    let answer = serde_json::to_string(placed).expect("ids are JSON");
    let ends = tx.now().plus(KEY_LIFE);
    tx.conn().prepare_cached(sql)?.execute(params![once.key, once.request, answer, ends])?;
    Ok(())
}
