//! Jobs that the admin calls off.

use rusqlite::{OptionalExtension, params};

use super::Only;
use crate::db::{Data, Error, Tx, done, outbox};
use crate::envelope::Envelope;
use crate::subject::JobAddress;

/// Jobs of one transaction when many are called off.
const PAGE: usize = 500;

/// What came of the wish to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is dead now.
    Now,
    /// It is with the workers, who know.
    Told,
    /// It is over already.
    Over,
}

/// Has a job not run, or be cut off where it runs: it is dead then, and can be
/// sent back as any other.
///
/// # Errors
/// When it cannot be written.
pub async fn cancel(data: &Data, id: String) -> Result<Cancelled, Error> {
    data.writer().write(move |tx| cancel_in(tx, &id)).await
}

/// Has a job that waits in the stream be dead at once: what is handed in for it
/// later has no effect.
///
/// # Errors
/// When it cannot be written.
pub async fn cancel_waiting(data: &Data, queue: String, job: Envelope) -> Result<Cancelled, Error> {
    let cancel = move |tx: &Tx<'_>| match cancel_in(tx, &job.id.to_string())? {
        Cancelled::Told => {
            done::cancelled(tx, &queue, &job)?;
            Ok(Cancelled::Now)
        }
        ended => Ok(ended),
    };
    data.writer().write(cancel).await
}

fn cancel_in(tx: &Tx<'_>, id: &str) -> Result<Cancelled, Error> {
    if done::is_over_in(tx, id)? {
        return Ok(Cancelled::Over);
    }
    let waiting = "SELECT seq FROM outbox WHERE subject LIKE 'jobs.%' \
                   AND substr(msg_id, 1, 36) = ?1 AND due_at IS NOT NULL";
    let seq: Option<i64> = tx.conn().query_row(waiting, [id], |row| row.get(0)).optional()?;
    let row = seq.map(|seq| outbox::take(tx, seq)).transpose()?.flatten();
    if let Some(row) = row
        && lay_down(tx, &row)?
    {
        return Ok(Cancelled::Now);
    }
    let sql = "INSERT INTO job_cancels (job_id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.conn().execute(sql, params![id, tx.now()])?;
    Ok(Cancelled::Told)
}

/// Has the jobs be dead that wait for their time, `only` those; gives how many. Each
/// page is a transaction of its own, so that nobody else waits for long.
///
/// # Errors
/// When it cannot be written; those of the pages before are dead.
pub async fn cancel_scheduled(data: &Data, only: Only) -> Result<usize, Error> {
    let mut all = 0;
    loop {
        let only = only.clone();
        let page = move |tx: &Tx<'_>| {
            let rows = outbox::take_scheduled(tx, &only, PAGE)?;
            rows.iter().try_for_each(|row| lay_down(tx, row).map(drop))?;
            Ok::<_, Error>(rows.len())
        };
        let found = data.writer().write(page).await?;
        all += found;
        if found < PAGE {
            return Ok(all);
        }
    }
}

/// Keeps a job as dead whose row was taken out of the outbox; false when it is none.
fn lay_down(tx: &Tx<'_>, row: &outbox::Row) -> Result<bool, Error> {
    let address = JobAddress::parse(&row.subject);
    let job = serde_json::from_slice::<Envelope>(&row.body);
    let (Some(address), Ok(job)) = (address, job) else { return Ok(false) };
    done::cancelled(tx, address.queue, &job)?;
    Ok(true)
}
