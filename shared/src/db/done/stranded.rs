//! Messages that go no further: no stream takes them, or NATS gives them up.

use super::{bury, bury_poison, has_failed, is_over_in};
use crate::db::{Data, Error, Tx, outbox};
use crate::envelope::Envelope;
use crate::subject::JobAddress;

/// Keeps messages of the outbox that no stream will ever take as dead jobs.
///
/// # Errors
/// When a row cannot be read or written.
pub async fn keep_unfit(data: &Data, seqs: Vec<i64>, why: String) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            for seq in seqs {
                if let Some(row) = outbox::take(tx, seq)? {
                    let outbox::Row { msg_id, subject, body, .. } = &row;
                    bury_message(tx, Stranded { id: msg_id, subject, body }, &why)?;
                }
            }
            Ok(())
        })
        .await
}

/// A message that goes no further.
#[derive(Debug, Clone, Copy)]
pub struct Stranded<'a> {
    /// Names it, should it be no job.
    pub id: &'a str,
    /// Where it went.
    pub subject: &'a str,
    /// Its bytes.
    pub body: &'a [u8],
}

/// Keeps what a message holds as dead: its jobs, but those that are over or go
/// on as another attempt; or its bytes, when it holds none.
///
/// # Errors
/// When a row cannot be read or written.
pub fn bury_message(tx: &Tx<'_>, message: Stranded<'_>, why: &str) -> Result<(), Error> {
    let Stranded { id, subject, body } = message;
    let Some(address) = JobAddress::parse(subject) else {
        return bury_poison(tx, id, ("unknown", "unknown"), body, why);
    };
    let Some(jobs) = jobs_of(body, address.kind) else {
        return bury_poison(tx, id, (address.queue, address.kind), body, why);
    };
    for job in jobs {
        let job = Envelope { priority: address.priority, ..job };
        if !is_over_in(tx, &job.id.to_string())? && !has_failed(tx, &job)? {
            bury(tx, address.queue, &job, why)?;
        }
    }
    Ok(())
}

/// One job, or those of a pack, all of the kind.
fn jobs_of(body: &[u8], kind: &str) -> Option<Vec<Envelope>> {
    let jobs = if body.starts_with(b"[") {
        serde_json::from_slice::<Vec<Envelope>>(body).ok()?
    } else {
        vec![serde_json::from_slice(body).ok()?]
    };
    jobs.iter().all(|job| job.kind == kind).then_some(jobs)
}
