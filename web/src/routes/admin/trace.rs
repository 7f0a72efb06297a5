//! From the request to the event: what led to a job, and what followed.
//!
//! Causes are followed up to the root and down to the leaves, within bounds: a
//! batch may have led to any number of jobs, and somebody waits for the page.

use std::collections::HashMap;
use std::time::Duration;

use shared::db::jobs::{self as job_rows, Listed};
use shared::db::{self, Data};
use shared::envelope::Envelope;
use shared::subject::Topic;
use shared::time::Instant;

use super::super::present::when;
use crate::error::Result;
use crate::state::AppState;
use crate::views::admin::jobs::TraceStep;

/// Causes that are followed upwards.
const HOPS: usize = 32;
/// Jobs that are shown.
const JOBS: usize = 200;
/// Events that are looked at.
const EVENTS: usize = 5000;
/// Events of a job are stored about when it ended: from so long before it on.
const BEFORE: Duration = Duration::from_secs(1);
/// And until so long after it.
const AFTER: Duration = Duration::from_secs(10);

/// The chain of a job, oldest first. While NATS is away it has no events.
pub(super) async fn of(state: &AppState, job: &Listed) -> Result<Vec<TraceStep>> {
    let family = Family::of(&state.data, job).await?;
    let mut steps: Vec<TraceStep> = family.request().into_iter().collect();
    steps.extend(family.jobs.values().map(|found| family.step(found, found.id == job.id)));
    steps.extend(events(state, &family).await);
    steps.sort_by(|a, b| a.time.iso().cmp(&b.time.iso()).then(a.depth.cmp(&b.depth)));
    Ok(steps)
}

/// All jobs that go back to the same origin.
struct Family {
    /// What began it: a request, or a job that nothing more is known of.
    root: String,
    /// The jobs, by id.
    jobs: HashMap<String, Listed>,
}

impl Family {
    /// First what led to `job`, then what followed from it, then all else that has
    /// the same root: of a large family the nearest are shown.
    async fn of(data: &Data, job: &Listed) -> std::result::Result<Self, db::Error> {
        let mut family = Self { root: job.cause.clone(), jobs: HashMap::new() };
        family.add(job.clone());
        for _ in 0..HOPS {
            match job_rows::ended_job(data, family.root.clone()).await? {
                Some(cause) if !family.jobs.contains_key(&cause.id) => {
                    family.root.clone_from(&cause.cause);
                    family.add(cause);
                }
                _ => break,
            }
        }
        family.grow(data, vec![job.id.clone()]).await?;
        let mut origins: Vec<String> = family.jobs.keys().cloned().collect();
        origins.push(family.root.clone());
        family.grow(data, origins).await?;
        Ok(family)
    }

    fn add(&mut self, job: Listed) {
        self.jobs.insert(job.id.clone(), job);
    }

    /// Adds what followed from `causes`, and from that, as long as there is room.
    async fn grow(
        &mut self,
        data: &Data,
        mut causes: Vec<String>,
    ) -> std::result::Result<(), db::Error> {
        causes.retain(|cause| !cause.is_empty());
        while !causes.is_empty() && self.jobs.len() < JOBS {
            // Of those that are known already none takes the place of another.
            let found = job_rows::followers(data, causes, JOBS + self.jobs.len()).await?;
            let room = JOBS - self.jobs.len();
            let new = found.into_iter().filter(|found| !self.jobs.contains_key(&found.id));
            let new: Vec<Listed> = new.take(room).collect();
            causes = new.iter().map(|found| found.id.clone()).collect();
            new.into_iter().for_each(|found| self.add(found));
        }
        Ok(())
    }

    fn depth(&self, id: &str) -> u32 {
        let up = |id: &&str| self.jobs.get(*id).map(|job| job.cause.as_str());
        let above = std::iter::successors(Some(id), up).take(HOPS).count();
        u32::try_from(above.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn request(&self) -> Option<TraceStep> {
        let is_known = self.root.is_empty() || self.jobs.contains_key(&self.root);
        let made = self.root.parse().ok().and_then(Instant::of_id);
        let first = self.jobs.values().map(|job| job.made).min();
        (!is_known).then(|| TraceStep {
            id: self.root.clone(),
            what: "request".to_owned(),
            kind: self.root.clone(),
            time: when(made.or(first).unwrap_or(Instant::from_millis(0))),
            depth: 0,
            state: None,
            current: false,
        })
    }

    fn step(&self, job: &Listed, current: bool) -> TraceStep {
        TraceStep {
            id: job.id.clone(),
            what: "job".to_owned(),
            kind: format!("{} / {}", job.queue, job.kind),
            time: when(job.made),
            depth: self.depth(&job.id),
            state: Some(job.state.to_string()),
            current,
        }
    }

    /// When its events were stored, about: spans that do not overlap, oldest first.
    fn spans(&self) -> Vec<(Instant, Instant)> {
        let moments = self.jobs.values().flat_map(|job| [job.made, job.at]);
        spans(moments.chain(self.root.parse().ok().and_then(Instant::of_id)).collect())
    }
}

fn spans(mut moments: Vec<Instant>) -> Vec<(Instant, Instant)> {
    moments.sort_unstable();
    let mut spans: Vec<(Instant, Instant)> = Vec::new();
    for moment in moments {
        let (from, until) = (moment.minus(BEFORE), moment.plus(AFTER));
        match spans.last_mut() {
            Some(span) if from <= span.1 => span.1 = until,
            _ => spans.push((from, until)),
        }
    }
    spans
}

async fn events(state: &AppState, family: &Family) -> Vec<TraceStep> {
    let (mut steps, mut left) = (Vec::new(), EVENTS);
    for (from, until) in family.spans() {
        let stored = state.bus.events_within(from, until, left).await.unwrap_or_default();
        left = left.saturating_sub(stored.len());
        steps
            .extend(stored.into_iter().filter_map(|event| told(family, &event.topic, &event.body)));
        if left == 0 {
            break;
        }
    }
    steps
}

/// An event that the family caused.
fn told(family: &Family, topic: &Topic, body: &[u8]) -> Option<TraceStep> {
    let event: Envelope = serde_json::from_slice(body).ok()?;
    let cause = event.cause.to_string();
    let is_ours = cause == family.root || family.jobs.contains_key(&cause);
    is_ours.then(|| TraceStep {
        id: event.id.to_string(),
        what: "event".to_owned(),
        kind: format!("{topic}: {}", event.kind),
        time: when(event.time),
        depth: family.depth(&cause) + 1,
        state: None,
        current: false,
    })
}

#[cfg(test)]
mod tests {
    use shared::db::jobs::JobState;
    use shared::db::{Tx, done};
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_chain_of_many_hops_is_seen_whole_from_each_of_its_jobs() {
        let dir = std::env::temp_dir().join(format!("trace-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let (request, mut chain) = (Uuid::now_v7(), Vec::new());
        for _ in 0..6 {
            let cause = chain.last().map_or(request, |job: &Envelope<()>| job.id);
            chain.push(Envelope::new("do", 1, cause, ()));
        }
        let beside = Envelope::new("do", 1, chain[1].id, ());
        let all: Vec<Envelope<()>> = chain.iter().cloned().chain([beside.clone()]).collect();
        let write =
            move |tx: &Tx<'_>| all.iter().try_for_each(|job| done::once(tx, "q", job).map(drop));
        data.writer().write::<(), db::Error, _>(write).await.unwrap();
        for job in &chain {
            let job = job_rows::ended_job(&data, job.id.to_string()).await.unwrap().unwrap();
            let family = Family::of(&data, &job).await.unwrap();
            assert_eq!((family.jobs.len(), &family.root), (7, &request.to_string()));
            assert_eq!(family.depth(&chain[5].id.to_string()), 6);
            assert_eq!(family.depth(&beside.id.to_string()), 3);
        }
        drop(data);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn job(id: &str, cause: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            queue: "q".to_owned(),
            kind: "k".to_owned(),
            state: JobState::Done,
            cause: cause.to_owned(),
            attempt: 1,
            snoozes: 0,
            made: Instant::from_millis(0),
            run_at: None,
            finished: Some(Instant::from_millis(0)),
            at: Instant::from_millis(0),
            reason: None,
        }
    }

    #[test]
    fn depth_counts_the_steps_from_the_root_and_a_circle_ends() {
        let mut family = Family { root: "r".to_owned(), jobs: HashMap::new() };
        [job("a", "r"), job("b", "a"), job("x", "y"), job("y", "x")]
            .into_iter()
            .for_each(|it| family.add(it));
        assert_eq!([family.depth("r"), family.depth("a"), family.depth("b")], [0, 1, 2]);
        assert!(family.depth("x") < HOPS as u32);
    }

    #[test]
    fn moments_that_are_near_share_a_span() {
        let at = Instant::from_millis;
        let found = spans(vec![at(60_000), at(0), at(5_000)]);
        assert_eq!(found, [(at(-1_000), at(15_000)), (at(59_000), at(70_000))]);
    }
}
