//! Batches: many jobs, and one that follows when all of them are done.
//!
//! A dead job holds its batch back until it is sent back and done, or
//! discarded, or forgotten as all that died so long ago.

use std::borrow::Cow;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Error, Tx, outbox};
use crate::envelope::{Envelope, Untyped};
use crate::jobs::Travel;
use crate::jobs::enqueue::{Enqueue, Hold, Unique};
use crate::subject::{self, JobAddress};

/// A batch that is being made: its jobs leave with the transaction, so that it
/// is whole before the first of them runs.
#[derive(Debug)]
pub struct Batch {
    id: Uuid,
}

impl Batch {
    /// Sends what `fill` adds as a batch that `then` follows: at once, when
    /// nothing was added. Gives what `fill` gives.
    ///
    /// # Errors
    /// Those of `fill`, and when a row cannot be written.
    pub fn send<P: Serialize, T, E: From<Error>>(
        tx: &Tx<'_>,
        then: Enqueue<P>,
        fill: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let batch = Self { id: Uuid::now_v7() };
        batch.begin(tx, then)?;
        let filled = fill(&batch)?;
        one_is_over(tx, batch.id)?;
        Ok(filled)
    }

    /// Until it is filled the batch itself is open.
    fn begin<P: Serialize>(&self, tx: &Tx<'_>, then: Enqueue<P>) -> Result<(), Error> {
        let sql = "INSERT INTO job_batches (id, total, open, then_subject, then_body, created_at, \
                   then_due, then_key, then_held_ms) VALUES (?1, 0, 1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Enqueue { queue, mut envelope, due, unique, .. } = then;
        envelope.cause = self.id;
        let subject = subject::job_at(&queue, &envelope.kind, envelope.priority);
        let held = unique.as_ref().and_then(|unique| held_ms(unique.hold));
        let (id, key) = (self.id.to_string(), unique.map(|unique| unique.key));
        let row = params![id, subject, envelope.to_json(), tx.now(), due, key, held];
        tx.conn().execute(sql, row)?;
        Ok(())
    }

    /// Its id: the cause of what follows.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Sends `job` as part of it; gives the job's id. While another job holds its
    /// key it is not sent: then that job's id, for which the batch does not wait.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub fn add<P: Serialize>(&self, tx: &Tx<'_>, mut job: Enqueue<P>) -> Result<Uuid, Error> {
        job.envelope.batch = Some(self.id);
        let id = job.envelope.id;
        let sent = outbox::enqueue(tx, job)?;
        if sent == id {
            let sql = "UPDATE job_batches SET total = total + 1, open = open + 1 WHERE id = ?1";
            tx.conn().prepare_cached(sql)?.execute([self.id.to_string()])?;
        }
        Ok(sent)
    }
}

/// How long a key is held; none: until the job is over.
fn held_ms(hold: Hold) -> Option<i64> {
    match hold {
        Hold::UntilOver => None,
        Hold::For(span) => Some(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Counts a job of a batch as over, and sends what follows when it was the
/// last.
pub(super) fn ended<P>(tx: &Tx<'_>, job: &Envelope<P>) -> Result<(), Error> {
    job.batch.map_or(Ok(()), |batch| one_is_over(tx, batch))
}

fn one_is_over(tx: &Tx<'_>, batch: Uuid) -> Result<(), Error> {
    let sql = "UPDATE job_batches SET open = open - 1, \
               finished_at = CASE WHEN open = 1 THEN ?2 END WHERE id = ?1 AND open > 0 \
               RETURNING open, then_subject, then_body, then_due, then_key, then_held_ms";
    let mut statement = tx.conn().prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? == 0).then(|| then(row)));
    let over = statement.query_row(params![batch.to_string(), tx.now()], read).optional()?;
    if let Some(next) = over.flatten() {
        outbox::enqueue(tx, next?)?;
    }
    Ok(())
}

/// What follows, as it was ordered: its key is taken when it is sent.
fn then(row: &Row<'_>) -> Result<Enqueue<Untyped>, Error> {
    let (subject, body): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
    let corrupt = || Error::Corrupt { value: subject.clone(), expected: "a job after a batch" };
    let address = JobAddress::parse(&subject).ok_or_else(corrupt)?;
    let envelope: Envelope = serde_json::from_slice(&body).map_err(|_| corrupt())?;
    let hold = |ms: i64| Hold::For(Duration::from_millis(ms.unsigned_abs()));
    let hold = row.get::<_, Option<i64>>(5)?.map_or(Hold::UntilOver, hold);
    let key: Option<String> = row.get(4)?;
    Ok(Enqueue {
        queue: Cow::Owned(address.queue.to_owned()),
        envelope: Envelope { priority: address.priority, ..envelope },
        due: row.get(3)?,
        travel: Travel::Alone,
        unique: key.map(|key| Unique { key, hold }),
    })
}
