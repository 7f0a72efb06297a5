//! Which executor runs which kind of job.
//!
//! An executor cannot commit by itself: it is handed the transaction in which
//! the runner has marked the job done, so an effect without its mark, or a
//! mark without its effect, cannot be written.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use shared::bus::Message;
use shared::db::{self, Tx};
use shared::envelope::Envelope;
use shared::error::chain;
use shared::jobs::compute::ComputeOutcome;
use shared::jobs::{Job, own};
use shared::queues::{Queues, Role};
use uuid::Uuid;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is in the transaction.
    Done,
    /// Its effect is in the transaction; this goes where the queue's results go.
    Result(serde_json::Value),
    /// Nothing was done; it is worth another attempt after this long.
    Retry(Duration),
    /// Nothing was done and nothing went wrong; it comes again after this long,
    /// and no attempt is counted.
    Snooze(Duration),
    /// It can never be done; it is dead, and this is why.
    Discard(String),
}

/// Why an attempt failed; the job is tried again until its attempts are used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    text: String,
    unavailable: bool,
}

impl Failure {
    /// A failure in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), unavailable: false }
    }

    /// A failure with all that led to it.
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self::new(chain(error))
    }

    /// Whether the database is at fault: no attempt is counted then.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.unavailable
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self { text: chain(&error), unavailable: error.is_unavailable() }
    }
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Runs inside the transaction that marks the job done.
pub type DataFn = dyn Fn(&Tx<'_>, &Envelope) -> Result<Outcome, Failure> + Send + Sync;
/// Runs before the transaction that marks the job done.
pub type EffectFn = dyn Fn(Envelope) -> Pending<Result<Outcome, Failure>> + Send + Sync;

/// What a compute job needs is away as a whole, such as the object store: it
/// waits, and no attempt is counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

type Computing = Pending<Result<Message, Away>>;

/// Runs without a database: its result is a message.
pub struct Compute {
    run: Box<dyn Fn(Envelope) -> Result<Computing, Misshapen> + Send + Sync>,
    cut_short: Box<dyn Fn(Envelope, CutShort) -> Result<Message, Misshapen> + Send + Sync>,
}

/// Why an attempt has no outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutShort {
    /// It took too long, or panicked.
    Failed(String),
    /// It took its worker away, again and again.
    Lost(String),
    /// The admin cancelled it.
    Cancelled,
}

impl<T> From<CutShort> for ComputeOutcome<T> {
    fn from(why: CutShort) -> Self {
        match why {
            CutShort::Failed(why) => Self::failed(why),
            CutShort::Lost(why) => Self::Lost(why),
            CutShort::Cancelled => Self::Cancelled,
        }
    }
}

impl Compute {
    /// The attempt, and at its end the message that carries its result.
    ///
    /// # Errors
    /// When the payload has another shape.
    pub fn run(&self, job: Envelope) -> Result<Computing, Misshapen> {
        (self.run)(job)
    }

    /// The message of an attempt that was cut short.
    ///
    /// # Errors
    /// When the payload has another shape.
    pub fn cut_short(&self, job: Envelope, why: CutShort) -> Result<Message, Misshapen> {
        (self.cut_short)(job, why)
    }
}

/// A payload that its executor cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misshapen(String);

/// How one kind of job is run.
#[derive(Clone)]
pub enum Executor {
    /// In the transaction that marks the job done: exactly once.
    Data(Arc<DataFn>),
    /// Before that transaction, since it leaves the box: at least once. A crash
    /// between the two runs it again.
    Effect(Arc<EffectFn>),
    /// Anywhere, objects in and objects out; its result is a data job.
    Compute(Arc<Compute>),
}

impl Executor {
    fn role(&self) -> Role {
        match self {
            Self::Data(_) | Self::Effect(_) => Role::Data,
            Self::Compute(_) => Role::Compute,
        }
    }
}

/// Executors that cannot work together, or not with the queues' file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two executors for one kind.
    #[error("two executors take jobs of the kind {kind} of the queue {queue}")]
    Duplicate {
        /// The queue.
        queue: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// Nobody could order the jobs of an executor.
    #[error("the kind {kind} of the queue {queue} is missing in shared::jobs::own")]
    Undeclared {
        /// The queue.
        queue: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// The queue is not in the file.
    #[error("the queue {0} is missing: this program has jobs for it")]
    NoQueue(&'static str),
    /// The queue is in the file with the wrong role.
    #[error("the queue {queue} has the wrong role: its jobs are {role} jobs")]
    WrongRole {
        /// The queue.
        queue: &'static str,
        /// What it has to be.
        role: &'static str,
    },
}

/// Every executor, by queue and kind.
#[derive(Default)]
pub struct Registry {
    executors: HashMap<(&'static str, &'static str), Executor>,
}

impl Registry {
    /// Has jobs `J` run by `execute`, in the transaction that marks them done.
    ///
    /// # Errors
    /// When `J` has an executor.
    pub fn data<J: Job>(
        &mut self,
        execute: impl Fn(&Tx<'_>, &Envelope<J>) -> Result<Outcome, Failure> + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        let run = move |tx: &Tx<'_>, job: &Envelope| match decode::<J>(job) {
            Ok(job) => execute(tx, &job),
            Err(misshapen) => Ok(Outcome::Discard(misshapen.to_string())),
        };
        self.add::<J>(Executor::Data(Arc::new(run)))
    }

    /// Has jobs `J` run by `execute` before the transaction that marks them
    /// done: at least once.
    ///
    /// # Errors
    /// When `J` has an executor.
    pub fn effect<J, F>(
        &mut self,
        execute: impl Fn(Envelope<J>) -> F + Send + Sync + 'static,
    ) -> Result<(), RegistryError>
    where
        J: Job,
        F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        let run = move |job: Envelope| -> Pending<Result<Outcome, Failure>> {
            match decode::<J>(&job) {
                Ok(job) => Box::pin(execute(job)),
                Err(misshapen) => {
                    Box::pin(async move { Ok(Outcome::Discard(misshapen.to_string())) })
                }
            }
        };
        self.add::<J>(Executor::Effect(Arc::new(run)))
    }

    /// Has compute jobs `J` run by `execute`; `report` makes the data job `R`
    /// that carries the outcome.
    ///
    /// # Errors
    /// When `J` has an executor.
    pub fn compute<J, T, R, F>(
        &mut self,
        execute: impl Fn(Envelope<J>) -> F + Send + Sync + 'static,
        report: fn(Envelope<J>, ComputeOutcome<T>) -> R,
    ) -> Result<(), RegistryError>
    where
        J: Job + Clone,
        T: Send + 'static,
        R: Job,
        F: Future<Output = Result<ComputeOutcome<T>, Away>> + Send + 'static,
    {
        let run = move |job: Envelope| -> Result<Computing, Misshapen> {
            let job = decode::<J>(&job)?;
            let attempt = execute(job.clone());
            Ok(Box::pin(async move {
                let outcome = attempt.await?;
                Ok(result_message(&job.clone(), report(job, outcome)))
            }))
        };
        let cut_short = move |job: Envelope, why: CutShort| {
            let job = decode::<J>(&job)?;
            Ok(result_message(&job.clone(), report(job, why.into())))
        };
        let (run, cut_short) = (Box::new(run), Box::new(cut_short));
        self.add::<J>(Executor::Compute(Arc::new(Compute { run, cut_short })))
    }

    fn add<J: Job>(&mut self, executor: Executor) -> Result<(), RegistryError> {
        let (queue, kind) = (J::QUEUE, J::KIND);
        match self.executors.insert((queue, kind), executor) {
            None => Ok(()),
            Some(_) => Err(RegistryError::Duplicate { queue, kind }),
        }
    }

    /// The executor of a kind.
    #[must_use]
    pub fn get(&self, queue: &str, kind: &str) -> Option<&Executor> {
        self.executors
            .iter()
            .find(|((q, k), _)| (*q, *k) == (queue, kind))
            .map(|(_, executor)| executor)
    }

    /// Whether every executor's kind is among those that [`own`] names: an order of
    /// any other is refused.
    ///
    /// # Errors
    /// The first kind that is not.
    pub fn declared(&self) -> Result<(), RegistryError> {
        let lost = self.executors.keys().find(|(queue, kind)| !own::kinds(queue).contains(kind));
        lost.map_or(Ok(()), |(queue, kind)| Err(RegistryError::Undeclared { queue, kind }))
    }

    /// Whether every executor has its queue, in its role.
    ///
    /// # Errors
    /// The first queue that is missing or has the wrong role.
    pub fn check(&self, queues: &Queues) -> Result<(), RegistryError> {
        for ((queue, _), executor) in &self.executors {
            let found = queues.queues.get(*queue);
            let found = found.ok_or(RegistryError::NoQueue(queue))?;
            if found.role != executor.role() {
                let role = executor.role().as_str();
                return Err(RegistryError::WrongRole { queue, role });
            }
        }
        Ok(())
    }
}

fn decode<J: Job>(job: &Envelope) -> Result<Envelope<J>, Misshapen> {
    let Envelope { kind, version, .. } = job;
    if *version > J::VERSION {
        let known = J::VERSION;
        return Err(Misshapen(format!(
            "its payload has version {version}; this program knows {known} at most"
        )));
    }
    let payload = job
        .payload
        .read::<J>()
        .map_err(|error| Misshapen(format!("its payload is not that of {kind}: {error}")))?;
    Ok(job.carrying(payload))
}

/// The data job that carries what came of `job`: twice is once, since both its
/// message id and its own id follow from the compute job.
fn result_message<J: Job, R: Job>(job: &Envelope<J>, result: R) -> Message {
    let mut envelope = result.envelope(job.id);
    envelope.id = result_id(job.id, job.attempt);
    Message {
        msg_id: format!("{}.result", job.msg_id()),
        subject: R::subject(),
        body: envelope.to_json().into(),
    }
}

/// An id of the same moment that nothing else has: the random part, turned.
fn result_id(job: Uuid, attempt: u32) -> Uuid {
    let mut bytes = job.into_bytes();
    for (byte, turn) in bytes[11..].iter_mut().zip(attempt.to_be_bytes()) {
        *byte ^= turn;
    }
    bytes[15] ^= 0xa5;
    Uuid::from_bytes(bytes)
}

/// The payload of a panic, in words.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the executor panicked: {}", text.as_deref().unwrap_or("without a word"))
}
