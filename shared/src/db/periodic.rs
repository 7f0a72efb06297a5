//! Periodic jobs: when each was sent last, so that several workers send it
//! once, and one that was missed is made up for, once.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::{Data, Error, outbox};
use crate::jobs::enqueue::Enqueue;
use crate::time::Instant;

/// Whether the job `name` is due. One that was never sent is due at once; one
/// that is due later than its `every` lets, since that was longer, is due at the
/// next multiple of it.
///
/// # Errors
/// When it cannot be read or written.
pub async fn is_due(data: &Data, name: String, every: Duration) -> Result<bool, Error> {
    let sql = "SELECT due_at FROM periodic_jobs WHERE name = ?1";
    let asked = name.clone();
    let read = move |conn: &Connection| {
        Ok::<_, Error>(conn.query_row(sql, [asked], |row| row.get(0)).optional()?)
    };
    let due: Option<Instant> = data.readers().read(read).await?;
    let next = following(Instant::now(), every);
    if due.is_some_and(|due| due > next) {
        bring_forward(data, name, next).await?;
    }
    Ok(due.is_none_or(|due| due <= Instant::now()))
}

async fn bring_forward(data: &Data, name: String, next: Instant) -> Result<(), Error> {
    let sql = "UPDATE periodic_jobs SET due_at = ?2 WHERE name = ?1 AND due_at > ?2";
    data.writer()
        .write(move |tx| Ok(tx.conn().execute(sql, params![name, next]).map(|_| ())?))
        .await
}

/// Sends the job `name`, unless another process did; the next one is due at the
/// next multiple of `every`, so that a restart moves nothing.
///
/// # Errors
/// When a row cannot be written.
pub async fn send<P: Serialize + Send + 'static>(
    data: &Data,
    name: String,
    every: Duration,
    job: Enqueue<P>,
) -> Result<(), Error> {
    let sql = "INSERT INTO periodic_jobs (name, due_at) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET due_at = ?2 WHERE due_at <= ?3";
    data.writer()
        .write(move |tx| {
            let next = following(tx.now(), every);
            if tx.conn().execute(sql, params![name, next, tx.now()])? == 1 {
                outbox::enqueue(tx, job)?;
            }
            Ok(())
        })
        .await
}

/// The first multiple of `every` after `now`.
fn following(now: Instant, every: Duration) -> Instant {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    Instant::from_millis((now.millis() / every + 1).saturating_mul(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_due_at_the_next_multiple() {
        let at = |now, every| {
            following(Instant::from_millis(now), Duration::from_millis(every)).millis()
        };
        assert_eq!([at(999, 1000), at(1000, 1000), at(1001, 1000)], [1000, 2000, 2000]);
    }
}
