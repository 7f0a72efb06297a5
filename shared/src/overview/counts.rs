//! How many jobs there are of each state.

use crate::bus::Bus;
use crate::bus::queues::QueueError;
use crate::db::{self, Data, jobs, outbox};

/// How many jobs there are, of one queue or of all.
#[derive(Debug)]
pub struct Counts {
    /// In the stream, waiting and running; or why that is not known.
    pub stored: Result<(u64, u64), QueueError>,
    /// Due in the outbox.
    pub unsent: u64,
    /// Those whose time has not come.
    pub scheduled: u64,
    /// Done in the last day.
    pub done: u64,
    /// Dead.
    pub dead: u64,
    /// Of those, the ones that failed, and were not called off.
    pub failed: u64,
}

/// Counts the jobs of `queue`, or of all.
///
/// # Errors
/// When the database fails.
pub async fn counts(data: &Data, bus: &Bus, queue: Option<&str>) -> Result<Counts, db::Error> {
    let asked = |name: &str| queue.is_none_or(|queue| queue == name);
    let sum = |rows: Vec<(String, i64)>| {
        rows.iter().filter(|(name, _)| asked(name)).map(|(_, count)| count.unsigned_abs()).sum()
    };
    let stored = bus.queue_states([]).await.map(|states| {
        let states = states.iter().filter(|(name, _)| asked(name));
        states.fold((0, 0), |(waits, runs), (_, it)| (waits + it.depth, runs + it.in_flight))
    });
    let unsent = outbox::by_queue(data).await?;
    let unsent = unsent.iter().filter(|(name, _)| asked(name));
    let (due, scheduled) =
        unsent.fold((0, 0), |(due, later), (_, it)| (due + it.due, later + it.scheduled));
    Ok(Counts {
        stored,
        unsent: due,
        scheduled,
        done: sum(jobs::done_by_queue(data).await?),
        dead: sum(jobs::dead_by_queue(data).await?),
        failed: sum(jobs::dead_by_failure(data).await?),
    })
}
