//! When tasks run: the scheduler ticks, `data.db` says what is due.
//!
//! tokio-cron-scheduler keeps no state, loses missed ticks and lets runs
//! overlap; so it only wakes the lanes. A lane runs what is due, one task
//! after the other, and notes when it is due next. What fell due while the
//! site was down is due at boot, once.

use shared::db::backups::{self, Tier, schedule};
use shared::db::{self, Data, alerts};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::shutdown::Shutdown;
use shared::time::Instant;
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::Site;
use crate::backup::Error as BackupError;
use crate::metrics::Metrics;
use crate::tasks::{Lane, Task};

/// A task that is asked for begins within this many seconds.
const TICK: &str = "*/3 * * * * *";
/// Remembers that the admin was told of the missing off-site store.
const NO_OFFSITE_TOLD: &str = "told:no-offsite";

/// The schedule cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scheduler failed.
    #[error("the scheduler failed")]
    Scheduler(#[from] JobSchedulerError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// Runs tasks as they fall due, until `shutdown`.
///
/// # Errors
/// When the scheduler cannot be started, or the tasks cannot be noted.
pub(crate) async fn run(site: &Site, metrics: &Metrics, shutdown: &Shutdown) -> Result<(), Error> {
    note_tasks(site).await?;
    let (tick, ticks) = watch::channel(());
    let mut scheduler = JobScheduler::new().await?;
    let wake = move |_, _| {
        let _nobody_listens_at_the_end = tick.send(());
    };
    scheduler.add(Job::new(TICK, wake)?).await?;
    scheduler.start().await?;
    tokio::join!(
        lane(site, Lane::Backups, ticks.clone(), shutdown),
        lane(site, Lane::Cleanup, ticks.clone(), shutdown),
        tell(site, metrics, ticks, shutdown),
    );
    Ok(scheduler.shutdown().await?)
}

/// Makes every task known. Without an off-site store the tiers are never due
/// by themselves, and the admin is told once.
async fn note_tasks(site: &Site) -> Result<(), db::Error> {
    for task in Task::ALL {
        let due = is_scheduled(site, task).then(|| task.next(Instant::now()));
        schedule::ensure(&site.data, task.name(), due).await?;
    }
    if site.stores.has_offsite() {
        return schedule::forget(&site.data, NO_OFFSITE_TOLD).await;
    }
    if schedule::ensure(&site.data, NO_OFFSITE_TOLD.to_owned(), None).await? {
        let text = "no off-site store is configured: backups stay on this box";
        alerts::raise_now(&site.data, AlertLevel::Warnings, text.to_owned()).await?;
    }
    Ok(())
}

fn is_scheduled(site: &Site, task: Task) -> bool {
    site.stores.has_offsite() || !matches!(task, Task::Backup(_))
}

async fn lane(site: &Site, lane: Lane, mut ticks: watch::Receiver<()>, shutdown: &Shutdown) {
    loop {
        if let Err(error) = run_due(site, lane, shutdown).await {
            tracing::error!(error = chain(&error), "the schedule cannot be read or written");
        }
        tokio::select! {
            _ = ticks.changed() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn run_due(site: &Site, lane: Lane, shutdown: &Shutdown) -> Result<(), db::Error> {
    let due = schedule::due(&site.data).await?;
    for task in Task::ALL {
        if shutdown.is_cancelled() {
            break;
        }
        if task.lane() == lane && due.contains(&task.name()) {
            run_task(site, task, shutdown).await?;
        }
    }
    Ok(())
}

async fn run_task(site: &Site, task: Task, shutdown: &Shutdown) -> Result<(), db::Error> {
    let name = task.name();
    schedule::started(&site.data, name.clone()).await?;
    let began = Instant::now();
    let outcome = task.run(site, shutdown).await;
    let next = match &outcome {
        // Still due: the next tick tries again.
        Err(BackupError::Busy) => return Ok(()),
        // Still due: the next process makes it up.
        Err(_) if shutdown.is_cancelled() => return Ok(()),
        Ok(()) => {
            let took = format!("{:.1} s", Instant::now().since(began).as_secs_f64());
            tracing::info!(task = name, took, "the task is done");
            task.next(Instant::now())
        }
        Err(error) => {
            tracing::error!(task = name, error = chain(error), "the task failed");
            task.retry(Instant::now())
        }
    };
    let next = is_scheduled(site, task).then_some(next);
    schedule::ended(&site.data, name, outcome.is_ok(), next).await
}

async fn tell(site: &Site, metrics: &Metrics, mut ticks: watch::Receiver<()>, shutdown: &Shutdown) {
    loop {
        if let Err(error) = measure(&site.data, metrics).await {
            tracing::debug!(error = chain(&error), "the metrics of tasks are not up to date");
        }
        metrics.wal(&site.config.data_db());
        tokio::select! {
            _ = ticks.changed() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn measure(data: &Data, metrics: &Metrics) -> Result<(), db::Error> {
    metrics.tasks(&schedule::list(data).await?);
    for tier in Tier::OLDEST_FIRST {
        if let Some(run) = backups::last_done(data, tier.as_str()).await? {
            metrics.copy(&run);
        }
    }
    Ok(())
}
