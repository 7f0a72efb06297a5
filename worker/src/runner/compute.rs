//! Jobs without a database: the result is published, then the job is over.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::bus::Message;
use shared::envelope::Envelope;
use shared::events::JobNews;
use shared::jobs::Job;
use shared::jobs::compute::KeepPoison;
use tracing::Instrument;
use uuid::Uuid;

use super::crew::{self, Crew};
use super::delivery::{self, Delivery, Poison, Read};
use super::{COMPUTE_GRACE, jitter, job_span, progress};
use crate::registry::{Away, Compute, CutShort, Executor, Misshapen, panic_text};

/// The pause between two tries to hand in a result, and the first one before a
/// job that waits is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest of those pauses: they double.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a job that came before waits until it is begun.
const SUSPECT_WAITS: Duration = Duration::from_secs(1);
/// Of a message that is no job, so much is kept: it travels in a message.
const POISON_MAX: usize = 600_000;

impl Crew {
    /// Runs what the message holds, hands in the results, acknowledges. Until
    /// they are stored the message is not acknowledged; a crash between the two
    /// computes them again, and the second result is known as a duplicate.
    pub(super) async fn work_compute(&self, delivery: Delivery) {
        let reads = delivery.jobs();
        let _units = self.gate.enter(crew::cost(&reads)).await;
        for read in reads {
            if !self.may_begin(&read).await {
                return self.give_back(&[delivery], None).await;
            }
            let begun = Instant::now();
            if !self.compute_one(&delivery, read).await {
                return self.give_back(&[delivery], None).await;
            }
            let took = std::iter::once(begun.elapsed());
            self.shared.metrics.ended(&self.name, &delivery.kind, "ended", took);
        }
        self.ack(&delivery);
    }

    /// Waits until the queue's rate lets the job begin; false when the shutdown
    /// came first.
    async fn may_begin(&self, read: &Read) -> bool {
        let (Some(limit), Ok(job)) = (&self.gate.limit, read) else { return true };
        let wait = limit.wait(job, Instant::now());
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => true,
            () = self.shared.shutdown.cancelled() => false,
        }
    }

    /// False when the shutdown could not wait for the result to be stored.
    async fn compute_one(&self, delivery: &Delivery, read: Read) -> bool {
        let (result, span) = match read {
            Err(poison) => (Some(self.poison(&delivery.kind, &poison)), tracing::Span::none()),
            Ok(job) => {
                let span = job_span(&self.name, &job);
                (self.result(delivery, job).instrument(span.clone()).await, span)
            }
        };
        match result {
            Some(result) => self.hand_in(&result).instrument(span).await,
            None => false,
        }
    }

    /// The message that says what came of it; `None` when the shutdown could
    /// not wait.
    async fn result(&self, delivery: &Delivery, job: Envelope) -> Option<Message> {
        let kind = &delivery.kind;
        let Some(Executor::Compute(compute)) = self.shared.registry.get(&self.name, kind) else {
            return Some(self.none(delivery, &job, format!("no executor takes the kind {kind}")));
        };
        let result = match self.vanished(delivery, &job).await {
            Some(why) => compute.cut_short(job.clone(), CutShort::Lost(why)),
            None => self.computed(compute, job.clone()).await?,
        };
        Some(result.unwrap_or_else(|misshapen| self.none(delivery, &job, misshapen.to_string())))
    }

    /// Why a job that came before is given up, if it is. What took its worker away may be
    /// another job that comes again with it: that one has its turn first. With a database at
    /// hand it is noted that a job is begun; else its deliveries have to do.
    async fn vanished(&self, delivery: &Delivery, job: &Envelope) -> Option<String> {
        let Some(data) = self.shared.data.as_ref().filter(|_| delivery.is_suspect()) else {
            return delivery::vanished(delivery.came());
        };
        tokio::time::sleep(jitter(SUSPECT_WAITS)).await;
        self.begun_again(data, job).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it cannot be noted that a job is begun");
            None
        })
    }

    /// Has the data worker keep a job that cannot be run.
    fn none(&self, delivery: &Delivery, job: &Envelope, reason: String) -> Message {
        let poison = Poison { id: delivery.id.clone(), body: job.to_json(), reason };
        self.poison(&delivery.kind, &poison)
    }

    /// Tries again for as long as what it needs is away as a whole.
    async fn computed(
        &self,
        compute: &Compute,
        job: Envelope,
    ) -> Option<Result<Message, Misshapen>> {
        let mut pause = PAUSE;
        loop {
            match self.attempt(compute, job.clone()).await? {
                Ok(Ok(message)) => return Some(Ok(message)),
                Ok(Err(away)) => tracing::warn!(%away, "a job waits"),
                Err(misshapen) => return Some(Err(misshapen)),
            }
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return None,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            }
        }
    }

    /// One attempt within its time; `None` when the shutdown could not wait.
    async fn attempt(
        &self,
        compute: &Compute,
        job: Envelope,
    ) -> Option<Result<Result<Message, Away>, Misshapen>> {
        let attempt = match compute.run(job.clone()) {
            Ok(attempt) => attempt,
            Err(misshapen) => return Some(Err(misshapen)),
        };
        let bus = self.shared.bus.clone();
        let attempt = progress::telling(bus, &self.name, &job, attempt).in_current_span();
        let running = self.shared.running.begin(job.id);
        self.notices.note(&self.name, &job, JobNews::Running);
        let grace = async {
            self.shared.shutdown.cancelled().await;
            tokio::time::sleep(COMPUTE_GRACE).await;
        };
        tokio::select! {
            result = supervised(attempt, self.queue.timeout) => Some(match result {
                Ok(result) => Ok(result),
                Err(why) => compute.cut_short(job, CutShort::Failed(why)).map(Ok),
            }),
            () = running.cancelled() => Some(compute.cut_short(job, CutShort::Cancelled).map(Ok)),
            () = grace => None,
        }
    }

    /// Publishes until it is stored; false when the shutdown came first.
    async fn hand_in(&self, result: &Message) -> bool {
        while let Err(error) = self.shared.bus.publish(result).await {
            tracing::warn!(%error, "a result waits to be stored");
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return false,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        true
    }

    /// Has the data worker keep a message that is no job.
    fn poison(&self, kind: &str, poison: &Poison) -> Message {
        let Poison { id, body, reason } = poison;
        tracing::error!(queue = self.name, message = id, reason, "poison");
        let job = KeepPoison {
            message: id.clone(),
            queue: self.name.clone(),
            kind: kind.to_owned(),
            body: STANDARD.encode(&body[..body.len().min(POISON_MAX)]),
            reason: reason.clone(),
        };
        Message {
            msg_id: format!("poison.{id}"),
            subject: KeepPoison::subject(),
            body: job.envelope(Uuid::nil()).to_json().into(),
        }
    }
}

/// Runs `attempt` as a task of its own, so that a panic ends it alone, within
/// `timeout`.
///
/// # Errors
/// Why it has no result, in words.
pub(super) async fn supervised<T: Send + 'static>(
    attempt: impl Future<Output = T> + Send + 'static,
    timeout: Duration,
) -> Result<T, String> {
    let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(attempt));
    match tokio::time::timeout(timeout, task).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(ended)) => Err(ended
            .try_into_panic()
            .map_or_else(|_| "the attempt was cut off".to_owned(), |p| panic_text(&*p))),
        Err(_) => Err(format!("the attempt took longer than {timeout:?}")),
    }
}
