//! Batches: many jobs, and one that follows when all of them are done.
//!
//! A dead job holds its batch back until it is sent back and done, or
//! discarded.

use rusqlite::params;
use serde::Serialize;
use uuid::Uuid;

use super::{Error, Tx, outbox};
use crate::envelope::Envelope;
use crate::jobs::enqueue::Enqueue;

/// A batch that is being made: its jobs leave with the transaction, so that it
/// is whole before the first of them runs.
#[derive(Debug)]
pub struct Batch {
    id: Uuid,
}

impl Batch {
    /// A batch that `then` follows.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn begin<P: Serialize>(tx: &Tx<'_>, then: Enqueue<P>) -> Result<Self, Error> {
        let id = Uuid::now_v7();
        let sql = "INSERT INTO job_batches (id, total, open, then_subject, then_body, created_at) \
                   VALUES (?1, 0, 0, ?2, ?3, ?4)";
        let Enqueue { queue, mut envelope, priority, .. } = then;
        envelope.cause = id;
        let subject = crate::subject::job_at(&queue, &envelope.kind, priority);
        tx.conn().execute(sql, params![id.to_string(), subject, envelope.to_json(), tx.now()])?;
        Ok(Self { id })
    }

    /// Its id: the cause of what follows.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Sends `job` as part of it; gives the job's id.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub fn add<P: Serialize>(&self, tx: &Tx<'_>, mut job: Enqueue<P>) -> Result<Uuid, Error> {
        let sql = "UPDATE job_batches SET total = total + 1, open = open + 1 WHERE id = ?1";
        tx.conn().prepare_cached(sql)?.execute([self.id.to_string()])?;
        job.envelope.batch = Some(self.id);
        outbox::enqueue(tx, job)
    }
}

/// Counts a job of a batch as over, and sends what follows when it was the
/// last.
pub(super) fn ended<P>(tx: &Tx<'_>, job: &Envelope<P>) -> Result<(), Error> {
    let Some(batch) = job.batch else { return Ok(()) };
    let sql = "UPDATE job_batches SET open = open - 1, \
               finished_at = CASE WHEN open = 1 THEN ?2 END WHERE id = ?1 AND open > 0 \
               RETURNING open, then_subject, then_body";
    let mut statement = tx.conn().prepare_cached(sql)?;
    let mut rows = statement.query(params![batch.to_string(), tx.now()])?;
    if let Some(row) = rows.next()?
        && row.get::<_, i64>(0)? == 0
    {
        let (subject, body): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
        outbox::follow(tx, batch, subject, body)?;
    }
    Ok(())
}
