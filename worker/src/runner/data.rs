//! Jobs beside the database: a batch is one transaction, a job is a savepoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::db::{self, Data, Tx, done};
use shared::envelope::Envelope;
use shared::queues::Queue;
use tracing::{Span, info_span};

use super::delivery::Delivery;
use super::{Slot, jitter};
use crate::registry::{DataFn, EffectFn, Executor, Failure, Outcome, panic_text};

/// The pause before a batch that could not be committed is tried again.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);
/// The longest of those pauses: they double.
const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a message that is given back stays away.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);

/// What is to be done with one delivery.
enum Step {
    /// It is no job.
    Poison(String),
    /// It is run in the transaction.
    Run(Envelope, Arc<DataFn>),
    /// It has ended already.
    Ended(Envelope, Result<Outcome, Failure>, Duration),
}

/// What became of a delivery, once that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Done,
    Retrying,
    Dead,
    Repeated,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
            Self::Repeated => "repeated",
        }
    }
}

/// Deliveries that share a transaction.
struct Batch {
    name: String,
    queue: Queue,
    parts: Vec<Part>,
}

struct Part {
    delivery: Delivery,
    step: Step,
    span: Span,
}

impl Slot {
    /// Settles all deliveries. Those that came before are run alone and in any
    /// order: should one of them kill this process each time, the others are
    /// still settled sooner or later.
    pub(super) async fn work_data(&self, data: &Data, deliveries: Vec<Delivery>) {
        let (mut suspects, fresh): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(Delivery::is_suspect);
        suspects.sort_by_key(|_| u32::from_le_bytes(shared::signin::random()));
        if !fresh.is_empty() {
            self.settle_together(data, fresh).await;
        }
        for suspect in suspects {
            self.settle_together(data, vec![suspect]).await;
        }
    }

    async fn settle_together(&self, data: &Data, deliveries: Vec<Delivery>) {
        let mut parts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            parts.push(self.part(data, delivery).await);
        }
        let batch = Arc::new(Batch { name: self.name.clone(), queue: self.queue.clone(), parts });
        if self.commit(data, &batch).await {
            for part in &batch.parts {
                self.ack(&part.delivery);
            }
        } else {
            for part in &batch.parts {
                part.delivery.give_back(Some(GIVEN_BACK_FOR)).await;
            }
        }
    }

    async fn part(&self, data: &Data, delivery: Delivery) -> Part {
        let (span, step) = match delivery.job() {
            Err(reason) => (Span::none(), Step::Poison(reason)),
            Ok(job) => {
                let span = job_span(&self.name, &job);
                (span, self.step(data, &delivery, job).await)
            }
        };
        Part { delivery, step, span }
    }

    async fn step(&self, data: &Data, delivery: &Delivery, job: Envelope) -> Step {
        let executor = self.shared.registry.get(&self.name, &delivery.kind);
        if let Some(vanished) = delivery.vanished() {
            return Step::Ended(job, Err(Failure::new(vanished)), Duration::ZERO);
        }
        match executor {
            Some(Executor::Data(run)) => Step::Run(job, Arc::clone(run)),
            Some(Executor::Effect(run)) => self.effect(data, run, job).await,
            Some(Executor::Compute(_)) | None => {
                let (kind, queue) = (&delivery.kind, &self.name);
                Step::Poison(format!(
                    "no executor takes jobs of the kind {kind} of the queue {queue}"
                ))
            }
        }
    }

    /// Runs what leaves the box, unless the job is over; within its time.
    async fn effect(&self, data: &Data, run: &Arc<EffectFn>, job: Envelope) -> Step {
        let begun = Instant::now();
        let over = done::is_over(data, job.id).await;
        let result = match over {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => self.within_time(run(job.clone())).await,
            Err(error) => Err(Failure::of(&error)),
        };
        Step::Ended(job, result, begun.elapsed())
    }

    async fn within_time(
        &self,
        attempt: impl Future<Output = Result<Outcome, Failure>> + Send + 'static,
    ) -> Result<Outcome, Failure> {
        match super::compute::supervised(attempt, self.queue.timeout).await {
            Ok(result) => result,
            Err(why) => Err(Failure::new(why)),
        }
    }

    /// Commits, again and again while the database is at fault; false when the
    /// shutdown came first. No attempt is counted for what is not the job's
    /// fault, and no message is sent back and forth.
    async fn commit(&self, data: &Data, batch: &Arc<Batch>) -> bool {
        let mut pause = COMMIT_PAUSE;
        loop {
            let settling = Arc::clone(batch);
            let settled = data.writer().write(move |tx| settling.settle(tx)).await;
            match settled {
                Ok(verdicts) => {
                    self.report(batch, &verdicts);
                    return true;
                }
                Err(Refused(problem)) => {
                    tracing::error!(queue = self.name, problem, "jobs wait for the database");
                }
            }
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return false,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(COMMIT_PAUSE_MAX),
            }
        }
    }

    fn report(&self, batch: &Batch, verdicts: &[(Verdict, Duration)]) {
        for (part, (verdict, took)) in batch.parts.iter().zip(verdicts) {
            let kind = &part.delivery.kind;
            let outcome = verdict.as_str();
            self.shared.metrics.ended(&self.name, kind, outcome, *took);
            part.span.in_scope(|| tracing::debug!(outcome, ?took, "a job was settled"));
        }
    }
}

/// The span that all a job does is logged under.
pub(super) fn job_span(queue: &str, job: &Envelope) -> Span {
    info_span!("job", id = %job.id, cause = %job.cause, queue, kind = job.kind, attempt = job.attempt)
}

/// The database is at fault: nothing of the batch was kept.
struct Refused(String);

impl From<db::Error> for Refused {
    fn from(error: db::Error) -> Self {
        Self(crate::registry::chain(&error))
    }
}

/// Undoes the savepoint of a job.
enum Undo {
    Again(String, Option<Duration>),
    Bury(String),
    Refuse(Refused),
}

impl From<db::Error> for Undo {
    fn from(error: db::Error) -> Self {
        Self::Refuse(error.into())
    }
}

impl Batch {
    fn settle(&self, tx: &Tx<'_>) -> Result<Vec<(Verdict, Duration)>, Refused> {
        let settle = |part: &Part| {
            let begun = Instant::now();
            let verdict = part.span.in_scope(|| self.settle_one(tx, part))?;
            let before = match &part.step {
                Step::Ended(_, _, took) => *took,
                _ => Duration::ZERO,
            };
            Ok((verdict, before + begun.elapsed()))
        };
        let settled: Result<Vec<_>, Refused> = self.parts.iter().map(settle).collect();
        let settled = settled?;
        self.tell_done(tx, &settled)?;
        Ok(settled)
    }

    /// Tells the pages that follow the queue that there is something to see: once a batch,
    /// by the last of the jobs that are done.
    fn tell_done(&self, tx: &Tx<'_>, settled: &[(Verdict, Duration)]) -> Result<(), Refused> {
        let mut ended = self.parts.iter().zip(settled).rev();
        let last = ended.find(|(_, (verdict, _))| *verdict == Verdict::Done);
        if let Some(Step::Run(job, _) | Step::Ended(job, ..)) = last.map(|(part, _)| &part.step) {
            done::tell(tx, &self.name, job, "done", None)?;
        }
        Ok(())
    }

    fn settle_one(&self, tx: &Tx<'_>, part: &Part) -> Result<Verdict, Refused> {
        let Part { delivery, step, .. } = part;
        match step {
            Step::Poison(reason) => {
                tracing::error!(queue = self.name, message = delivery.id, reason, "poison");
                let place = (self.name.as_str(), delivery.kind.as_str());
                done::bury_poison(tx, &delivery.id, place, delivery.body(), reason)?;
                Ok(Verdict::Dead)
            }
            Step::Run(job, run) => self.settle_job(tx, job, |tx| run(tx, job)),
            Step::Ended(job, result, _) => self.settle_job(tx, job, |_| result.clone()),
        }
    }

    /// Runs a job in its savepoint and writes what follows from it.
    fn settle_job(
        &self,
        tx: &Tx<'_>,
        job: &Envelope,
        run: impl FnOnce(&Tx<'_>) -> Result<Outcome, Failure>,
    ) -> Result<Verdict, Refused> {
        if done::has_failed(tx, job)? {
            return Ok(Verdict::Repeated);
        }
        match tx.savepoint(|tx| self.run_once(tx, job, run)) {
            Ok(verdict) => Ok(verdict),
            Err(Undo::Refuse(refused)) => Err(refused),
            Err(Undo::Bury(why)) => self.bury(tx, job, &why),
            Err(Undo::Again(why, pause)) => self.again(tx, job, &why, pause),
        }
    }

    fn run_once(
        &self,
        tx: &Tx<'_>,
        job: &Envelope,
        run: impl FnOnce(&Tx<'_>) -> Result<Outcome, Failure>,
    ) -> Result<Verdict, Undo> {
        if !done::once(tx, &self.name, job)? {
            return Ok(Verdict::Repeated);
        }
        let result = catch_unwind(AssertUnwindSafe(|| run(tx)))
            .unwrap_or_else(|panic| Err(Failure::new(panic_text(&*panic))));
        match result {
            Ok(Outcome::Done) => Ok(Verdict::Done),
            Ok(Outcome::Retry(pause)) => {
                Err(Undo::Again("it asked for another attempt".to_owned(), Some(pause)))
            }
            Ok(Outcome::Discard(why)) => Err(Undo::Bury(why)),
            Err(failure) if failure.is_unavailable() => {
                Err(Undo::Refuse(Refused(failure.to_string())))
            }
            Err(failure) => Err(Undo::Again(failure.to_string(), None)),
        }
    }

    fn again(
        &self,
        tx: &Tx<'_>,
        job: &Envelope,
        why: &str,
        pause: Option<Duration>,
    ) -> Result<Verdict, Refused> {
        match retry_or_bury(tx, &self.name, &self.queue, job, why, pause)? {
            true => Ok(Verdict::Retrying),
            false => Ok(Verdict::Dead),
        }
    }

    fn bury(&self, tx: &Tx<'_>, job: &Envelope, why: &str) -> Result<Verdict, Refused> {
        tracing::error!(why, "a job is dead");
        done::bury(tx, &self.name, job, why)?;
        Ok(Verdict::Dead)
    }
}

/// Sends a failed job again after its pause, or gives it up when its attempts
/// are used up: then false.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn retry_or_bury<P: serde::Serialize + Clone>(
    tx: &Tx<'_>,
    name: &str,
    queue: &Queue,
    job: &Envelope<P>,
    why: &str,
    pause: Option<Duration>,
) -> Result<bool, db::Error> {
    if job.attempt as usize >= queue.attempts {
        tracing::error!(why, "a job is dead: its attempts are used up");
        done::bury(tx, name, job, why)?;
        return Ok(false);
    }
    let pause = pause.unwrap_or_else(|| jitter(queue.pause(job.attempt)));
    tracing::warn!(why, ?pause, "an attempt failed");
    done::retry(tx, name, job, why, tx.now().plus(pause))?;
    Ok(true)
}
