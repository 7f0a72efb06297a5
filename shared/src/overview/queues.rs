//! Queues: what waits, what runs, what came of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::bus::Bus;
use crate::bus::queues::{QueueError, QueueState};
use crate::db::outbox::{self, Unsent};
use crate::db::{self, Data, jobs, pauses};
use crate::queues;
use crate::time::Instant;

/// A queue as the API and the command give it. What NATS alone knows is none when
/// it is away.
#[derive(Debug, Clone, Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// `data`, `compute` or `external`; none when the file does not have it.
    pub role: Option<&'static str>,
    /// Whether the file has the queue. One that it does not have is worked on only
    /// until it is empty, by workers that had it before.
    pub listed: bool,
    /// Whether somebody takes its jobs now.
    pub taken: Option<bool>,
    /// Jobs that wait: in the stream, or due in the outbox.
    pub depth: Option<u64>,
    /// Jobs whose time has not come.
    pub scheduled: u64,
    /// Jobs under way.
    pub in_flight: Option<u64>,
    /// Jobs done in the last day.
    pub done: i64,
    /// Attempts that failed in the last day, of jobs that are over.
    pub failed: i64,
    /// Jobs that gave up.
    pub dead: i64,
    /// Age of the oldest job that is not over, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// Jobs done in a second, over the last minute.
    pub rate: f64,
    /// Whether no job is handed out.
    pub paused: Option<bool>,
}

/// All queues, in order of name.
#[derive(Debug)]
pub struct Queues {
    /// Those of the file, and each other that the stream or the outbox holds jobs of.
    pub items: Vec<QueueView>,
    /// Why the figures of NATS are missing, if they are.
    pub problem: Option<QueueError>,
}

/// How the queues of `file` are, and those that it does not have.
///
/// # Errors
/// When the database fails.
pub async fn queues(data: &Data, bus: &Bus, file: &queues::Queues) -> Result<Queues, db::Error> {
    let counts = Counts::read(data).await?;
    let known: BTreeSet<&String> = file.queues.keys().chain(counts.unsent.keys()).collect();
    let (states, problem) = match bus.queue_states(known.iter().copied()).await {
        Ok(states) => (states, None),
        Err(error) => (BTreeMap::new(), Some(error)),
    };
    let names: BTreeSet<&String> = known.into_iter().chain(states.keys()).collect();
    let view = |name: &String| counts.view(name, file.queues.get(name), states.get(name));
    Ok(Queues { items: names.into_iter().map(view).collect(), problem })
}

/// What the database counts, by queue.
struct Counts {
    done: HashMap<String, i64>,
    failed: HashMap<String, i64>,
    dead: HashMap<String, i64>,
    fresh: HashMap<String, i64>,
    paused: BTreeMap<String, bool>,
    unsent: BTreeMap<String, Unsent>,
}

impl Counts {
    async fn read(data: &Data) -> Result<Self, db::Error> {
        let by = |rows: Vec<(String, i64)>| rows.into_iter().collect();
        Ok(Self {
            done: by(jobs::done_by_queue(data).await?),
            failed: by(jobs::failed_by_queue(data).await?),
            dead: by(jobs::dead_by_queue(data).await?),
            fresh: by(jobs::done_in_a_minute(data).await?),
            paused: pauses::all(data).await?,
            unsent: outbox::by_queue(data).await?,
        })
    }

    fn view(
        &self,
        name: &str,
        queue: Option<&queues::Queue>,
        state: Option<&QueueState>,
    ) -> QueueView {
        let of = |counts: &HashMap<String, i64>| counts.get(name).copied().unwrap_or(0);
        let unsent = self.unsent.get(name).copied().unwrap_or_default();
        let stored = state.and_then(|state| state.oldest);
        let oldest = [stored, unsent.oldest].into_iter().flatten().min();
        QueueView {
            name: name.to_owned(),
            role: queue.map(|queue| queue.role.as_str()),
            listed: queue.is_some(),
            taken: state.map(|state| state.taken),
            depth: state.map(|state| state.depth + unsent.due),
            scheduled: unsent.scheduled,
            in_flight: state.map(|state| state.in_flight),
            done: of(&self.done),
            failed: of(&self.failed),
            dead: of(&self.dead),
            oldest_ms: oldest.map(age_ms),
            rate: f64::from(u32::try_from(of(&self.fresh)).unwrap_or(u32::MAX)) / 60.0,
            paused: self.paused.get(name).copied().or(state.map(|state| state.paused)),
        }
    }
}

fn age_ms(since: Instant) -> u64 {
    u64::try_from(Instant::now().since(since).as_millis()).unwrap_or(u64::MAX)
}
