//! Jobs that the admin calls off.

use rusqlite::params;

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
    if let Some(row) = outbox::scheduled_job(tx, id)?
        && lay_down(tx, &row)?
    {
        return Ok(Cancelled::Now);
    }
    let sql = "INSERT INTO job_cancels (job_id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.conn().execute(sql, params![id, tx.now()])?;
    Ok(Cancelled::Told)
}

/// Has all jobs be dead that are in the outbox now, `only` those, whether their time
/// has come or not; gives how many. One that was sent a moment ago is among them: what
/// comes of it has no effect. Each page is a transaction of its own, so that nobody
/// else waits for long.
///
/// # Errors
/// When it cannot be read or written; those of the pages before are dead.
pub async fn cancel_unsent(data: &Data, only: &Only) -> Result<usize, Error> {
    let (mut all, mut after) = (0, 0);
    let until = outbox::newest(data).await?;
    loop {
        let only = only.clone();
        let page = move |tx: &Tx<'_>| {
            let rows = outbox::jobs_between(tx, &only, (after, until), PAGE)?;
            let dead = rows.iter().map(|row| Ok(usize::from(lay_down(tx, row)?)));
            let dead = dead.sum::<Result<usize, Error>>()?;
            Ok::<_, Error>((dead, rows.last().map(|row| row.seq)))
        };
        let (dead, last) = data.writer().write(page).await?;
        all += dead;
        match last {
            Some(seq) => after = seq,
            None => return Ok(all),
        }
    }
}

/// Has jobs of the stream be dead that nobody has begun; says of each whether it was
/// not over before.
///
/// # Errors
/// When it cannot be written.
pub async fn cancel_stored(data: &Data, jobs: Vec<(String, Envelope)>) -> Result<Vec<bool>, Error> {
    let cancel = move |tx: &Tx<'_>| {
        jobs.iter().map(|(queue, job)| end(tx, queue, job)).collect::<Result<_, Error>>()
    };
    data.writer().write(cancel).await
}

/// Keeps a job of the outbox as dead instead; false when it is over, and when it is no
/// job, whose row stays.
fn lay_down(tx: &Tx<'_>, row: &outbox::Row) -> Result<bool, Error> {
    let address = JobAddress::parse(&row.subject);
    let job = serde_json::from_slice::<Envelope>(&row.body);
    let (Some(address), Ok(job)) = (address, job) else { return Ok(false) };
    outbox::take(tx, row.seq)?;
    end(tx, address.queue, &job)
}

fn end(tx: &Tx<'_>, queue: &str, job: &Envelope) -> Result<bool, Error> {
    Ok(!done::is_over_in(tx, &job.id.to_string())? && done::cancelled(tx, queue, job)?)
}
