//! From the request to the event: what led to a job, and what followed.

use std::collections::{HashMap, HashSet};

use shared::db::jobs as job_rows;
use shared::envelope::Envelope;
use shared::time::Instant;

use super::super::jobs::Listed;
use super::super::present::when;
use crate::error::Result;
use crate::state::AppState;
use crate::views::admin::jobs::TraceStep;

/// Events that are looked at: those since the job was made.
const EVENTS: usize = 500;

/// The chain of a job, oldest first. While NATS is away it has no events.
pub(super) async fn of(state: &AppState, job: &Listed) -> Result<Vec<TraceStep>> {
    let mut jobs: HashMap<String, Listed> = HashMap::new();
    let related = job_rows::trace(&state.data, job.id.clone(), job.cause.clone()).await?;
    for found in related.into_iter().map(Listed::from).chain([job.clone()]) {
        jobs.insert(found.id.clone(), found);
    }
    let mut steps = Vec::new();
    if !jobs.contains_key(&job.cause) && !job.cause.is_empty() {
        steps.push(request(&job.cause));
    }
    let depth = |cause: &str| if jobs.contains_key(cause) { 2 } else { 1 };
    let of_job = |found: &Listed| TraceStep {
        id: found.id.clone(),
        what: "job".to_owned(),
        kind: format!("{} / {}", found.queue, found.kind),
        time: when(made(&found.id).unwrap_or(found.at)),
        depth: depth(&found.cause),
        state: Some(found.state.to_owned()),
        current: found.id == job.id,
    };
    steps.extend(jobs.values().map(of_job));
    let ids: HashSet<&str> = jobs.keys().map(String::as_str).chain([job.cause.as_str()]).collect();
    steps.extend(events(state, job, &ids).await);
    steps.sort_by(|a, b| a.time.iso().cmp(&b.time.iso()).then(a.depth.cmp(&b.depth)));
    Ok(steps)
}

fn request(cause: &str) -> TraceStep {
    TraceStep {
        id: cause.to_owned(),
        what: "request".to_owned(),
        kind: cause.to_owned(),
        time: when(made(cause).unwrap_or(Instant::from_millis(0))),
        depth: 0,
        state: None,
        current: false,
    }
}

async fn events(state: &AppState, job: &Listed, causes: &HashSet<&str>) -> Vec<TraceStep> {
    let since = made(&job.id).unwrap_or(job.at);
    let stored = state.bus.events_from(since, EVENTS).await.unwrap_or_default();
    let caused = stored.into_iter().filter_map(|it| {
        let event: Envelope = serde_json::from_slice(&it.body).ok()?;
        causes.contains(event.cause.to_string().as_str()).then_some((it.topic, event))
    });
    let step = |(topic, event): (shared::subject::Topic, Envelope)| TraceStep {
        id: event.id.to_string(),
        what: "event".to_owned(),
        kind: format!("{topic}: {}", event.kind),
        time: when(event.time),
        depth: 3,
        state: None,
        current: false,
    };
    caused.map(step).collect()
}

/// An id of this kind tells when it was made.
fn made(id: &str) -> Option<Instant> {
    let id: uuid::Uuid = id.parse().ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Some(Instant::from_millis(i64::try_from(seconds).ok()? * 1000 + i64::from(nanos / 1_000_000)))
}
