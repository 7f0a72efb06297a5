//! What compute workers without a database ask to be kept: messages that they
//! could not read, and results of programs that are not ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::db::{Tx, done};
use shared::envelope::Envelope;
use shared::jobs::compute::{ComputeResult, KeepPoison};
use shared::jobs::enqueue::Priority;
use shared::jobs::images::ComputeOutcome;
use shared::queues::Queue;

use crate::registry::{Failure, Outcome, Registry, RegistryError};
use crate::runner::{Live, publish_results, retry_or_bury};

/// Registers the executors.
///
/// # Errors
/// When one is registered already.
pub fn register(registry: &mut Registry, queues: Live) -> Result<(), RegistryError> {
    registry.data::<KeepPoison>(|tx, job| {
        let KeepPoison { message, queue, kind, body, reason } = &job.payload;
        match STANDARD.decode(body) {
            Ok(bytes) => {
                done::bury_poison(tx, message, (queue, kind), &bytes, reason)?;
                Ok(Outcome::Done)
            }
            Err(error) => Ok(Outcome::Discard(format!("its body is no base64: {error}"))),
        }
    })?;
    registry.data::<ComputeResult>(move |tx, result| {
        let name = &result.payload.queue;
        match queues.borrow().queues.get(name) {
            Some(queue) => settle(tx, queue, &result.payload),
            None => Ok(Outcome::Discard(format!("there is no queue {name}"))),
        }
    })
}

/// Writes down what came of one attempt, once.
fn settle(tx: &Tx<'_>, queue: &Queue, result: &ComputeResult) -> Result<Outcome, Failure> {
    let ComputeResult { queue: name, job, outcome } = result;
    if done::call_off_if_asked(tx, name, job)? {
        return Ok(Outcome::Done);
    }
    if done::is_over_in(tx, &job.id.to_string())? || done::has_failed(tx, job)? {
        // A second result, later than NATS knows the id of the first.
        return Ok(Outcome::Done);
    }
    match outcome {
        ComputeOutcome::Made(value) => {
            if done::once(tx, name, job)? {
                done::release(tx, job)?;
                publish_results(tx, queue, job, value)?;
                done::tell(tx, name, job, "done", None)?;
            }
        }
        ComputeOutcome::Refused(why) | ComputeOutcome::Lost(why) => {
            bury(tx, name, job, why)?;
        }
        ComputeOutcome::Cancelled => done::cancelled(tx, name, job)?,
        ComputeOutcome::Failed(why) => {
            retry_or_bury(tx, (name, Priority::Normal), queue, job, why, None)?;
        }
    }
    Ok(Outcome::Done)
}

fn bury(tx: &Tx<'_>, queue: &str, job: &Envelope, why: &str) -> Result<(), Failure> {
    Ok(done::bury(tx, queue, job, why)?)
}
