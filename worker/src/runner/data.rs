//! Jobs beside the database: taken, run, committed, acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::db::{self, Data, begun, done};
use shared::envelope::Envelope;
use shared::events::JobNews;
use tracing::Instrument as _;

use super::batch::{Attempt, Batch, Part, Refused, Settled, Step, Verdict};
use super::crew::{self, Crew};
use super::delivery::{self, Delivery, Read};
use super::progress;
use crate::registry::{EffectFn, Executor, Failure, Outcome};

/// The pause before a batch that could not be committed is tried again.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);
/// The longest of those pauses: they double.
const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a message that is given back stays away.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);
/// Jobs of one transaction, or those of one message: while it is open, nobody
/// else writes.
const TOGETHER: usize = 1000;

/// Messages that are settled together, and what they hold.
#[derive(Default)]
struct Group {
    deliveries: Vec<Delivery>,
    /// What each holds, in the same order.
    reads: Vec<Vec<Read>>,
    jobs: usize,
}

impl Group {
    fn of(delivery: Delivery) -> Self {
        let mut group = Self::default();
        group.add(delivery);
        group
    }

    fn add(&mut self, delivery: Delivery) {
        let reads = delivery.jobs();
        self.jobs += reads.len();
        self.deliveries.push(delivery);
        self.reads.push(reads);
    }
}

impl Crew {
    /// Settles all deliveries. Those that came before are run alone and in any
    /// order: should one of them kill this process each time, the others are
    /// still settled sooner or later.
    pub(super) async fn work_data(&self, data: &Data, deliveries: Vec<Delivery>) {
        let (mut suspects, fresh): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(Delivery::is_suspect);
        suspects.sort_by_key(|_| u32::from_le_bytes(shared::signin::random()));
        let mut group = Group::default();
        for delivery in fresh {
            group.add(delivery);
            if group.jobs >= TOGETHER {
                self.settle(data, std::mem::take(&mut group)).await;
            }
        }
        self.settle(data, group).await;
        for suspect in suspects {
            self.settle(data, Group::of(suspect)).await;
        }
    }

    async fn settle(&self, data: &Data, group: Group) {
        let Group { deliveries, reads, jobs } = group;
        let _units =
            self.gate.enter(reads.iter().map(|it| crew::cost(it)).max().unwrap_or(1)).await;
        let mut parts = Vec::with_capacity(jobs);
        for (delivery, reads) in deliveries.iter().zip(reads) {
            for read in reads {
                parts.push(self.part(data, delivery, read).await);
            }
        }
        let batch = Arc::new(Batch::new(&self.name, &self.queue, parts));
        if jobs == 0 || self.commit(data, &batch).await {
            deliveries.iter().for_each(|delivery| self.ack(delivery));
        } else {
            self.give_back(&deliveries, Some(GIVEN_BACK_FOR)).await;
        }
    }

    async fn part(&self, data: &Data, delivery: &Delivery, read: Read) -> Part {
        let step = match read {
            Err(poison) => Step::Poison(poison),
            Ok(job) => self.step(data, delivery, job).await,
        };
        Part { kind: delivery.kind.clone(), step }
    }

    async fn step(&self, data: &Data, delivery: &Delivery, job: Envelope) -> Step {
        if delivery.is_suspect_pack() {
            return Step::Unpack(job);
        }
        let attempt = self.begin(data, delivery, &job).await;
        Step::Attempt(job, attempt)
    }

    async fn begin(&self, data: &Data, delivery: &Delivery, job: &Envelope) -> Attempt {
        let vanished = match delivery.is_suspect() && !delivery.is_pack() {
            true => self.begun_again(data, job).await,
            false => Ok(None),
        };
        match vanished {
            Ok(None) => {}
            Ok(Some(vanished)) => return Attempt::ended(Ok(Outcome::Discard(vanished))),
            Err(error) => return Attempt::ended(Err(error.into())),
        }
        let wait = self.gate.limit.as_ref().map(|limit| limit.wait(job, Instant::now()));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Attempt::ended(Ok(Outcome::Snooze(wait)));
        }
        match self.shared.registry.get(&self.name, &delivery.kind) {
            Some(Executor::Data(run)) => Attempt::Within(Arc::clone(run)),
            Some(Executor::Effect(run)) => self.effect(data, run, job).await,
            Some(Executor::Compute(_)) | None => Attempt::ended(Ok(Outcome::Discard(format!(
                "no executor takes jobs of the kind {} of the queue {}",
                delivery.kind, self.name
            )))),
        }
    }

    /// Why a job that came before is given up, if it is. That it is begun once
    /// more is known even when it takes this process away.
    pub(super) async fn begun_again(
        &self,
        data: &Data,
        job: &Envelope,
    ) -> Result<Option<String>, db::Error> {
        // The first time was not noted.
        Ok(delivery::vanished(begun::again(data, job.id, job.attempt).await? + 1))
    }

    /// Runs what leaves the box, unless the job is over; within its time.
    async fn effect(&self, data: &Data, run: &Arc<EffectFn>, job: &Envelope) -> Attempt {
        let begun = Instant::now();
        let result = match done::is_over(data, job.id).await {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => {
                let span = super::job_span(&self.name, job);
                self.supervised(data, run, job).instrument(span).await
            }
            Err(error) => Err(error.into()),
        };
        Attempt::Ended(result, begun.elapsed())
    }

    /// Runs an attempt until it ends, its time is over, or it is cancelled: that
    /// it is stands in the database, where the transaction that follows looks.
    async fn supervised(
        &self,
        data: &Data,
        run: &Arc<EffectFn>,
        job: &Envelope,
    ) -> Result<Outcome, Failure> {
        let running = self.shared.running.begin(job.id);
        self.notices.note(&self.name, job, JobNews::Running);
        if done::is_cancelled(data, job.id).await? {
            return Ok(Outcome::Done);
        }
        let bus = self.shared.bus.clone();
        let attempt = progress::telling(bus, &self.name, job, run(job.clone()));
        tokio::select! {
            result = super::compute::supervised(attempt, self.queue.timeout) => match result {
                Ok(result) => result,
                Err(why) => Err(Failure::new(why)),
            },
            () = running.cancelled() => Ok(Outcome::Done),
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

    fn report(&self, batch: &Batch, verdicts: &[Settled]) {
        let mut ended = batch.parts().iter().zip(verdicts).rev();
        let last = ended.find(|(_, (verdict, _))| *verdict == Verdict::Done);
        if let Some((job, _)) = last.and_then(|(part, _)| part.attempt()) {
            self.notices.note(&self.name, job, JobNews::Done);
        }
        let ended: Vec<_> = batch.parts().iter().zip(verdicts).collect();
        for alike in ended.chunk_by(|a, b| a.0.kind == b.0.kind && a.1.0 == b.1.0) {
            let (kind, outcome) = (&alike[0].0.kind, alike[0].1.0.as_str());
            let took = alike.iter().map(|(_, (_, took))| *took);
            self.shared.metrics.ended(&self.name, kind, outcome, took);
        }
        for (part, (verdict, took)) in ended {
            let job = part.attempt().map(|(job, _)| tracing::field::display(job.id));
            tracing::debug!(queue = self.name, job, outcome = verdict.as_str(), ?took, "settled");
        }
    }
}
