//! What came of a compute job, written down once.

use serde::Serialize;
use shared::db::jobs::keep_made;
use shared::db::{self, Tx, done};
use shared::envelope::Envelope;
use shared::events::JobNews;
use shared::jobs::compute::ComputeOutcome;
use shared::queues::{Queue, Role};

use crate::runner::retry_or_bury;

/// What a refused input makes of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is done: it found what is wrong.
    IsDone,
    /// It is dead.
    IsDead,
}

/// What became of a job with this outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled<'a, T> {
    /// Nothing: it was over, or this attempt was known.
    Known,
    /// It is done, and made this.
    Made(&'a T),
    /// Its input was refused.
    Refused(&'a str),
    /// It comes again: it failed, or was put off.
    Retrying,
    /// It is dead: it took its worker away, or its attempts are used up.
    Dead,
    /// It is dead, since the admin called it off.
    Cancelled,
}

/// Writes down how an attempt at a job of the queue ended, unless that is known:
/// a second result may come later than NATS knows the id of the first.
///
/// # Errors
/// When a row cannot be read or written.
pub(super) fn settle<'a, P: Serialize + Clone, T: Serialize>(
    tx: &Tx<'_>,
    (name, queue): (&str, &Queue),
    job: &Envelope<P>,
    outcome: &'a ComputeOutcome<T>,
    refusal: Refusal,
) -> Result<Settled<'a, T>, db::Error> {
    if !counts_in_spite_of_a_cancel(queue, outcome) && done::call_off_if_asked(tx, name, job)? {
        return Ok(Settled::Cancelled);
    }
    if done::is_over_in(tx, &job.id.to_string())? || done::has_failed(tx, job)? {
        return Ok(Settled::Known);
    }
    Ok(match outcome {
        ComputeOutcome::Made(value) => {
            finish(tx, name, job)?;
            keep_made(tx, job, value)?;
            Settled::Made(value)
        }
        ComputeOutcome::Refused(why) => {
            match refusal {
                Refusal::IsDone => finish(tx, name, job)?,
                Refusal::IsDead => done::bury(tx, name, job, why)?,
            }
            Settled::Refused(why)
        }
        ComputeOutcome::Lost(why) => {
            done::bury(tx, name, job, why)?;
            Settled::Dead
        }
        ComputeOutcome::Cancelled => {
            done::cancelled(tx, name, job)?;
            Settled::Cancelled
        }
        ComputeOutcome::Snoozed(pause) => {
            done::snooze(tx, name, job, tx.now().plus(pause.0))?;
            Settled::Retrying
        }
        ComputeOutcome::Failed { failed: why, retry_after } => {
            let pause = retry_after.map(|pause| pause.0);
            match retry_or_bury(tx, (name, queue), job, why, pause)? {
                true => Settled::Retrying,
                false => Settled::Dead,
            }
        }
    })
}

/// A program that is told to stop may have done its work by then. Whatever else it
/// hands in, the job does not come again.
fn counts_in_spite_of_a_cancel<T>(queue: &Queue, outcome: &ComputeOutcome<T>) -> bool {
    let is_an_end = matches!(outcome, ComputeOutcome::Made(_) | ComputeOutcome::Refused(_));
    queue.role == Role::External && is_an_end
}

/// Marks a job that is not over as done, and tells that it is.
fn finish<P>(tx: &Tx<'_>, name: &str, job: &Envelope<P>) -> Result<(), db::Error> {
    done::once(tx, name, job)?;
    done::release(tx, job)?;
    done::tell(tx, name, job, JobNews::Done, None)
}
