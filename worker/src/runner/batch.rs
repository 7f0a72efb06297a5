//! A batch of jobs is one transaction. It runs as a whole; when one of its jobs
//! does not end as done, or a job is to be called off, each runs in a savepoint of
//! its own.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::db::done::{self, Marks};
use shared::db::{self, Tx, outbox};
use shared::envelope::Envelope;
use shared::events::Event;
use shared::jobs::enqueue::Enqueue;
use shared::queues::{Destination, Queue};
use tracing::Span;

use super::delivery::Poison;
use super::jitter;
use crate::registry::{DataFn, Failure, Outcome, panic_text};

/// An attempt that ended since the database was at fault is made again after this.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(1);

/// What is to be done with one job.
pub(super) enum Step {
    /// It is no job.
    Poison(Poison),
    /// It is sent again without the others of its pack.
    Unpack(Envelope),
    /// It is attempted.
    Attempt(Envelope, Attempt),
}

/// An attempt at a job.
pub(super) enum Attempt {
    /// It is made in the transaction.
    Within(Arc<DataFn>),
    /// It has ended already, after so long.
    Ended(Result<Outcome, Failure>, Duration),
}

impl Attempt {
    /// One that ended before it was begun.
    pub(super) fn ended(result: Result<Outcome, Failure>) -> Self {
        Self::Ended(result, Duration::ZERO)
    }

    /// Whether nothing is known that would keep the job from ending as done.
    fn may_succeed(&self) -> bool {
        matches!(self, Self::Within(_) | Self::Ended(Ok(Outcome::Done | Outcome::Result(_)), _))
    }

    fn outcome(&self, tx: &Tx<'_>, job: &Envelope) -> Result<Outcome, Failure> {
        match self {
            Self::Within(run) => catch_unwind(AssertUnwindSafe(|| run(tx, job)))
                .unwrap_or_else(|panic| Err(Failure::new(panic_text(&*panic)))),
            Self::Ended(result, _) => result.clone(),
        }
    }

    /// What it took before the transaction.
    fn took(&self) -> Duration {
        match self {
            Self::Within(_) => Duration::ZERO,
            Self::Ended(_, took) => *took,
        }
    }
}

/// What became of a job, once that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Retrying,
    Snoozed,
    Dead,
    Repeated,
    Unpacked,
    Cancelled,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retrying => "retrying",
            Self::Snoozed => "snoozed",
            Self::Dead => "dead",
            Self::Repeated => "repeated",
            Self::Unpacked => "unpacked",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One job, or what is none.
pub(super) struct Part {
    pub(super) kind: String,
    pub(super) step: Step,
}

impl Part {
    pub(super) fn attempt(&self) -> Option<(&Envelope, &Attempt)> {
        match &self.step {
            Step::Attempt(job, attempt) => Some((job, attempt)),
            Step::Poison(_) | Step::Unpack(_) => None,
        }
    }

    /// What it is logged under.
    fn span(&self, queue: &str) -> Span {
        match &self.step {
            Step::Attempt(job, _) | Step::Unpack(job) => super::job_span(queue, job),
            Step::Poison(_) => Span::none(),
        }
    }

    /// Settles it by the clock.
    fn timed<E>(&self, settle: impl FnOnce() -> Result<Verdict, E>) -> Result<Settled, E> {
        let begun = Instant::now();
        let verdict = settle()?;
        let before = self.attempt().map_or(Duration::ZERO, |(_, attempt)| attempt.took());
        Ok((verdict, before + begun.elapsed()))
    }
}

/// What became of a job, and how long it took.
pub(super) type Settled = (Verdict, Duration);

/// Jobs that share a transaction.
pub(super) struct Batch {
    name: String,
    queue: Queue,
    parts: Vec<Part>,
}

/// The database is at fault: nothing of the batch was kept.
pub(super) struct Refused(pub(super) String);

impl From<db::Error> for Refused {
    fn from(error: db::Error) -> Self {
        Self(shared::error::chain(&error))
    }
}

/// Undoes what was done since the savepoint.
enum Undo {
    Again(String, Option<Duration>),
    Snooze(Duration),
    Bury(String),
    Refuse(Refused),
}

impl From<db::Error> for Undo {
    fn from(error: db::Error) -> Self {
        Self::Refuse(error.into())
    }
}

impl Batch {
    pub(super) fn new(name: &str, queue: &Queue, parts: Vec<Part>) -> Self {
        Self { name: name.to_owned(), queue: queue.clone(), parts }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Runs every job and writes what follows from it; gives what became of
    /// each, and how long it took.
    pub(super) fn settle(&self, tx: &Tx<'_>) -> Result<Vec<Settled>, Refused> {
        let cancelled = done::cancels(tx)?;
        let together = match cancelled.is_empty() {
            true => self.settle_together(tx)?,
            false => None,
        };
        if let Some(settled) = together {
            return Ok(settled);
        }
        let apart = |part: &Part| {
            let settle = || part.timed(|| self.settle_apart(tx, part, &cancelled));
            part.span(&self.name).in_scope(settle)
        };
        self.parts.iter().map(apart).collect()
    }

    /// Runs all in one savepoint and without spans, since each of those costs a
    /// job as much as its row; `None`, and nothing is done, when they do not all
    /// succeed.
    fn settle_together(&self, tx: &Tx<'_>) -> Result<Option<Vec<Settled>>, Refused> {
        let attempts = self.parts.iter().map(|part| Some((part, part.attempt()?)));
        let attempts: Option<Vec<_>> =
            attempts.map(|it| it.filter(|(_, (_, attempt))| attempt.may_succeed())).collect();
        let Some(attempts) = attempts.filter(|attempts| attempts.len() > 1) else {
            return Ok(None);
        };
        let settled = tx.savepoint(|tx| {
            let ids = attempts.iter().map(|(_, (job, _))| job.id);
            let mut marks = Marks::new(tx, &self.name, ids)?;
            let run = |(part, (job, attempt)): &(&Part, (&Envelope, &Attempt))| {
                part.timed(|| self.run_once(tx, &mut marks, job, attempt))
            };
            attempts.iter().map(run).collect()
        });
        match settled {
            Ok(settled) => Ok(Some(settled)),
            Err(Undo::Refuse(refused)) => Err(refused),
            Err(_) => Ok(None),
        }
    }

    fn settle_apart(
        &self,
        tx: &Tx<'_>,
        part: &Part,
        cancelled: &HashSet<String>,
    ) -> Result<Verdict, Refused> {
        if let Step::Attempt(job, _) | Step::Unpack(job) = &part.step
            && !cancelled.is_empty()
            && cancelled.contains(&job.id.to_string())
            && done::call_off_if_asked(tx, &self.name, job)?
        {
            return Ok(Verdict::Cancelled);
        }
        match &part.step {
            Step::Poison(Poison { id, body, reason }) => {
                tracing::error!(queue = self.name, message = id, reason, "poison");
                done::bury_poison(tx, id, (&self.name, &part.kind), body, reason)?;
                Ok(Verdict::Dead)
            }
            Step::Attempt(job, attempt) => self.settle_job(tx, job, attempt),
            Step::Unpack(job) => {
                if done::is_over_in(tx, &job.id.to_string())? {
                    return Ok(Verdict::Repeated);
                }
                outbox::alone(tx, &self.name, job)?;
                Ok(Verdict::Unpacked)
            }
        }
    }

    /// Runs a job in its savepoint and writes what follows from it.
    fn settle_job(
        &self,
        tx: &Tx<'_>,
        job: &Envelope,
        attempt: &Attempt,
    ) -> Result<Verdict, Refused> {
        let run = |tx: &Tx<'_>| {
            let mut mark = Marks::new(tx, &self.name, std::iter::once(job.id))?;
            self.run_once(tx, &mut mark, job, attempt)
        };
        match tx.savepoint(run) {
            Ok(verdict) => Ok(verdict),
            Err(Undo::Refuse(refused)) => Err(refused),
            Err(Undo::Snooze(pause)) => {
                done::snooze(tx, &self.name, job, tx.now().plus(pause))?;
                Ok(Verdict::Snoozed)
            }
            Err(Undo::Bury(why)) => {
                tracing::error!(why, "a job is dead");
                done::bury(tx, &self.name, job, &why)?;
                Ok(Verdict::Dead)
            }
            Err(Undo::Again(why, pause)) => {
                match retry_or_bury(tx, (&self.name, &self.queue), job, &why, pause)? {
                    true => Ok(Verdict::Retrying),
                    false => Ok(Verdict::Dead),
                }
            }
        }
    }

    /// Runs a job, unless it is over, and marks it done.
    fn run_once(
        &self,
        tx: &Tx<'_>,
        marks: &mut Marks<'_>,
        job: &Envelope,
        attempt: &Attempt,
    ) -> Result<Verdict, Undo> {
        if !marks.once(job)? {
            return Ok(Verdict::Repeated);
        }
        match attempt.outcome(tx, job) {
            Ok(Outcome::Done) => {
                done::release(tx, job)?;
                Ok(Verdict::Done)
            }
            Ok(Outcome::Result(value)) => {
                done::release(tx, job)?;
                publish_results(tx, &self.queue, job, &value)?;
                Ok(Verdict::Done)
            }
            Ok(Outcome::Retry(pause)) => {
                Err(Undo::Again("it asked for another attempt".to_owned(), Some(pause)))
            }
            Ok(Outcome::Snooze(pause)) => Err(Undo::Snooze(pause)),
            Ok(Outcome::Discard(why)) => Err(Undo::Bury(why)),
            Err(failure) if failure.is_unavailable() => Err(match attempt {
                Attempt::Within(_) => Undo::Refuse(Refused(failure.to_string())),
                // It is not made again with the transaction, and that is under way now.
                Attempt::Ended(..) => Undo::Snooze(UNAVAILABLE_FOR),
            }),
            Err(failure) => Err(Undo::Again(failure.to_string(), None)),
        }
    }
}

/// Sends the result of a job to where its queue's results go.
///
/// # Errors
/// When a row cannot be written.
pub(crate) fn publish_results<P>(
    tx: &Tx<'_>,
    queue: &Queue,
    job: &Envelope<P>,
    result: &Value,
) -> Result<(), db::Error> {
    for destination in &queue.results {
        match destination {
            Destination::Job { queue, kind } => {
                let next = Enqueue::of(queue.clone(), kind, job.id, result.clone());
                outbox::enqueue(tx, next)?;
            }
            Destination::Event(topic) => {
                outbox::event(tx, &Event::result(topic.clone(), &job.kind, job.id, result))?;
            }
        }
    }
    Ok(())
}

/// Sends a failed job again after its pause, or gives it up when its attempts
/// are used up: then false.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn retry_or_bury<P: serde::Serialize + Clone>(
    tx: &Tx<'_>,
    (name, queue): (&str, &Queue),
    job: &Envelope<P>,
    why: &str,
    pause: Option<Duration>,
) -> Result<bool, db::Error> {
    if job.tries() as usize >= queue.attempts {
        tracing::error!(why, "a job is dead: its attempts are used up");
        done::bury(tx, name, job, why)?;
        return Ok(false);
    }
    let pause = pause.unwrap_or_else(|| jitter(queue.pause(job.tries())));
    tracing::warn!(why, ?pause, "an attempt failed");
    done::retry(tx, name, job, why, tx.now().plus(pause))?;
    Ok(true)
}
