//! How far jobs of external queues are: what their programs say is told to those
//! who watch. Nothing is kept, so that a report that is lost costs nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use shared::bus::reports::{Progress, Report};
use shared::events::{Event, JobChange, JobNews};
use shared::queues::{Queues, Role};
use uuid::Uuid;

use super::progress::PERIOD;
use super::{Live, Shared};

/// The pause before it is tried again to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells what it hears, until it is dropped.
pub(super) async fn listen(shared: Arc<Shared>, queues: Live) {
    let mut reports = loop {
        match shared.bus.reports().await {
            Ok(reports) => break Box::pin(reports),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    let mut told = Told::default();
    while let Some(report) = reports.next().await {
        let accepted = accepted(report, &queues.borrow());
        match accepted {
            Ok(change) if told.may_tell(change.job) => tell(&shared, &change).await,
            Ok(_) => {}
            Err(problem) => tracing::warn!(problem, "a report of progress was not told"),
        }
    }
}

/// What those who watch are told of it.
///
/// # Errors
/// What is wrong with it, and what would be right.
fn accepted(report: Report, queues: &Queues) -> Result<JobChange, String> {
    let Report { queue, progress } = report;
    let Progress { job, kind, attempt, progress } = progress?;
    let role = queues.queues.get(&queue).map(|queue| queue.role);
    if role != Some(Role::External) {
        return Err(format!("there is no external queue {queue}"));
    }
    if !(0.0..=1.0).contains(&progress) {
        return Err(format!("progress is a number from 0 to 1; got {progress}"));
    }
    let progress = Some(progress);
    Ok(JobChange { job, queue, kind, state: JobNews::Running, attempt, error: None, progress })
}

async fn tell(shared: &Shared, change: &JobChange) {
    if let Err(error) = shared.bus.publish(&Event::job(change).into()).await {
        tracing::debug!(%error, "a report of progress was not told");
    }
}

/// When each job told last, as far back as it matters.
#[derive(Default)]
struct Told(HashMap<Uuid, Instant>);

impl Told {
    fn may_tell(&mut self, job: Uuid) -> bool {
        let now = Instant::now();
        self.0.retain(|_, last| now - *last < PERIOD);
        let new = !self.0.contains_key(&job);
        self.0.entry(job).or_insert(now);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> Queues {
        let text = "queues:\n  words: {role: external, timeout: 1s, attempts: 1, backoff: 1s}\n  \
                    mail: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\n";
        Queues::parse(text).unwrap()
    }

    #[track_caller]
    fn refused(queue: &str, progress: f32, part: &str) {
        let progress =
            Progress { job: Uuid::now_v7(), kind: "do".to_owned(), attempt: 1, progress };
        let report = Report { queue: queue.to_owned(), progress: Ok(progress) };
        let problem = accepted(report, &queues()).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }

    #[test]
    fn only_parts_of_jobs_of_external_queues_are_told() {
        refused("mail", 0.5, "external queue mail");
        refused("none", 0.5, "external queue none");
        refused("words", 1.5, "from 0 to 1");
        refused("words", f32::NAN, "from 0 to 1");
    }

    #[test]
    fn a_job_tells_no_more_than_once_in_a_period() {
        let (mut told, job) = (Told::default(), Uuid::now_v7());
        assert!(told.may_tell(job) && told.may_tell(Uuid::now_v7()));
        assert!(!told.may_tell(job));
        told.0.insert(job, Instant::now() - PERIOD);
        assert!(told.may_tell(job));
    }
}
