//! What compute workers without a database ask to be kept: messages that they
//! could not read, and results of programs that are not ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::db::{Tx, done};
use shared::jobs::compute::{ComputeResult, KeepPoison};
use shared::queues::Queue;

use super::settle::{self, Refusal, Settled};
use crate::registry::{Failure, Outcome, Registry, RegistryError};
use crate::runner::{Live, publish_results};

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
    let settled = settle::settle(tx, (name, queue), job, outcome, Refusal::IsDead)?;
    if let Settled::Made(value) = settled {
        publish_results(tx, queue, job, value)?;
    }
    Ok(Outcome::Done)
}
