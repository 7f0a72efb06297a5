//! Periodic jobs: when each is due, and was sent last.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use crate::db::{self, Data, periodic};
use crate::queues::{Periodic, Queues, Schedule};
use crate::time::Instant;

/// A periodic job as the API and the command give it.
#[derive(Debug, Clone, Serialize)]
pub struct PeriodicView {
    /// Its name.
    pub name: String,
    /// The queue that takes it.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// `every`, or `cron` and `time_zone`.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// When it is due; none when it never is again.
    pub next: Option<Instant>,
    /// When it was sent last.
    pub last: Option<Instant>,
    /// The job that was sent then.
    pub last_job: Option<Uuid>,
}

/// The periodic jobs of `file`, in order of name.
///
/// # Errors
/// When the database fails.
pub async fn periodic(data: &Data, file: &Queues) -> Result<Vec<PeriodicView>, db::Error> {
    let noted = periodic::noted(data).await?;
    let noted: HashMap<_, _> = noted.into_iter().map(|it| (it.name.clone(), it)).collect();
    let view = |(name, job): (&String, &Periodic)| {
        let known = noted.get(name);
        PeriodicView {
            name: name.clone(),
            queue: job.queue.clone(),
            kind: job.kind.clone(),
            schedule: job.schedule.clone(),
            next: known.map(|it| it.due).or_else(|| job.schedule.after(Instant::now())),
            last: known.and_then(|it| it.last),
            last_job: known.and_then(|it| it.job),
        }
    };
    Ok(file.periodic.iter().map(view).collect())
}
