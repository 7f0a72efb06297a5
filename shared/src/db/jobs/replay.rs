//! Dead jobs that are sent back to their queues.

use rusqlite::OptionalExtension;
use serde::Serialize;
use uuid::Uuid;

use super::{Listed, Which, list, retried};
use crate::db::{Data, Error, Tx, alerts, outbox};
use crate::envelope::Envelope;
use crate::subject;

/// Jobs of one transaction when all are sent back.
const PAGE: usize = 500;

/// Sends a dead job back to its queue; gives the id it runs under now, or `None`
/// when there is none of that id.
///
/// # Errors
/// When its bytes are no job ([`Error::Corrupt`]), when another job holds its key
/// ([`Error::KeyHeld`]), or when it cannot be read or written.
pub async fn replay(data: &Data, id: String) -> Result<Option<Uuid>, Error> {
    let replay = move |tx: &Tx<'_>| {
        let now = replay_in(tx, &id)?;
        alerts::resolve_dead(tx)?;
        Ok(now)
    };
    data.writer().write(replay).await
}

/// What came of sending all dead jobs back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// So many run again.
    pub retried: usize,
    /// So many cannot: they are no jobs, or another job holds their key.
    pub refused: usize,
    /// So many were called off by the admin, and stay so.
    pub cancelled: usize,
}

/// Sends all dead jobs back to their queues, or those of one, newest first. Each
/// page is a transaction of its own, so that nobody else waits for long; one that
/// dies again meanwhile is newer than where the next page begins, and stays. What the
/// admin called off is not what failed: those go back one by one.
///
/// # Errors
/// When they cannot be read or written; those of the pages before are sent.
pub async fn replay_all(data: &Data, queue: Option<String>) -> Result<Replayed, Error> {
    let (mut all, mut after) = (Replayed::default(), None);
    loop {
        let page = list(data, Which::Dead, queue.clone(), after, PAGE).await?;
        let (cancelled, failed): (Vec<_>, Vec<_>) =
            page.items.into_iter().partition(Listed::is_cancelled);
        let sent = replay_page(data, failed.into_iter().map(|job| job.id).collect()).await?;
        all.retried += sent.retried;
        all.refused += sent.refused;
        all.cancelled += cancelled.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

async fn replay_page(data: &Data, ids: Vec<String>) -> Result<Replayed, Error> {
    data.writer()
        .write(move |tx| {
            let mut page = Replayed::default();
            for id in ids {
                match replay_in(tx, &id) {
                    Ok(found) => page.retried += usize::from(found.is_some()),
                    Err(Error::Corrupt { .. } | Error::KeyHeld { .. }) => page.refused += 1,
                    Err(error) => return Err(error),
                }
            }
            alerts::resolve_dead(tx)?;
            Ok(page)
        })
        .await
}

fn replay_in(tx: &Tx<'_>, id: &str) -> Result<Option<Uuid>, Error> {
    let sql = "SELECT queue, body, unique_key FROM dead_jobs WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
    };
    let Some((queue, body, key)) = tx.conn().query_row(sql, [id], read).optional()? else {
        return Ok(None);
    };
    let Some(job) = job_in(&body) else {
        let value = String::from_utf8_lossy(&body).chars().take(80).collect();
        return Err(Error::Corrupt { value, expected: "a job's envelope" });
    };
    let id_now = outbox::replay(tx, &queue, key, job)?;
    retried::keep(tx, id, id_now)?;
    tx.conn().execute("DELETE FROM dead_jobs WHERE id = ?1", [id])?;
    Ok(Some(id_now))
}

/// The job that a message holds, if it is one that can be sent.
pub(super) fn job_in(body: &[u8]) -> Option<Envelope> {
    let job = serde_json::from_slice::<Envelope>(body).ok();
    job.filter(|job| job.kind.split('.').all(subject::is_word))
}
