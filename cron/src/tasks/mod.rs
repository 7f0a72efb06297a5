//! What cron does, one file a task.

mod backup;
mod drill;
mod forget;
mod prune;

use std::time::Duration;

use shared::db::backups::Tier;
use shared::shutdown::Shutdown;
use shared::time::Instant;

use crate::Site;
use crate::backup::Error;

/// Tasks that share a lane run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Copies and drills, which can take long.
    Backups,
    /// Deletions in the databases.
    Cleanup,
}

/// A task of cron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Copies to a tier and proves the copy.
    Backup(Tier),
    /// Restores the live replica and compares it with the database.
    DrillLive,
    /// Forgets what has expired in `ttl.db`.
    Forget,
    /// Forgets what is old in `data.db`.
    Prune,
}

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// The hour of the night's work, in UTC.
const NIGHT_HOUR: i64 = 3;
/// A task that failed is tried again after this, or when it is due next.
const RETRY: Duration = Duration::from_secs(3600);

impl Task {
    /// All, in the order in which tasks due together run: the oldest tier
    /// first.
    pub const ALL: [Self; 6] = [
        Self::Backup(Tier::Biweekly),
        Self::Backup(Tier::Weekly),
        Self::Backup(Tier::Daily),
        Self::DrillLive,
        Self::Forget,
        Self::Prune,
    ];

    /// Its name in the schedule.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Backup(tier) => tier.task(),
            Self::DrillLive => "drill:live".to_owned(),
            Self::Forget => "forget".to_owned(),
            Self::Prune => "prune".to_owned(),
        }
    }

    /// Which tasks it waits for.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Self::Backup(_) | Self::DrillLive => Lane::Backups,
            Self::Forget | Self::Prune => Lane::Cleanup,
        }
    }

    /// How long it is from one run to the next, and how far into a day or hour
    /// it begins; in milliseconds.
    fn period(self) -> (i64, i64) {
        let night = NIGHT_HOUR * HOUR_MS;
        match self {
            Self::Backup(Tier::Biweekly) => (14 * DAY_MS, night),
            Self::Backup(Tier::Weekly) => (7 * DAY_MS, night),
            Self::Backup(Tier::Daily) | Self::DrillLive | Self::Prune => (DAY_MS, night),
            // At midnight too: that is when a salt is over.
            Self::Forget => (HOUR_MS, 0),
        }
    }

    /// When it is due after a run, or a first look, at `now`.
    #[must_use]
    pub fn next(self, now: Instant) -> Instant {
        let (period, offset) = self.period();
        // A tier is due some nights on, counted from any night.
        let step = period.min(DAY_MS);
        let last = (now.millis() - offset).div_euclid(step) * step + offset;
        Instant::from_millis(last + period)
    }

    /// When it is tried again after a failure at `now`.
    #[must_use]
    pub fn retry(self, now: Instant) -> Instant {
        self.next(now).min(now.plus(RETRY))
    }

    /// Does it.
    ///
    /// # Errors
    /// Why it did not go through.
    pub async fn run(self, site: &Site, shutdown: &Shutdown) -> Result<(), Error> {
        match self {
            Self::Backup(tier) => backup::run(site, tier, shutdown).await,
            Self::DrillLive => drill::run(site, shutdown).await,
            Self::Forget => forget::run(site).await,
            Self::Prune => prune::run(site).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("a moment")
    }

    #[test]
    fn a_daily_task_is_due_the_next_night_whenever_it_ran() {
        let task = Task::Backup(Tier::Daily);
        assert_eq!(task.next(at("2026-11-21T03:00:05Z")), at("2026-11-22T03:00:00Z"));
        assert_eq!(task.next(at("2026-11-21T02:59:59Z")), at("2026-11-21T03:00:00Z"));
        assert_eq!(task.next(at("2026-11-21T23:00:00Z")), at("2026-11-22T03:00:00Z"));
    }

    #[test]
    fn older_tiers_are_due_after_seven_and_fourteen_nights() {
        let now = at("2026-11-21T03:00:05Z");
        assert_eq!(Task::Backup(Tier::Weekly).next(now), at("2026-11-28T03:00:00Z"));
        assert_eq!(Task::Backup(Tier::Biweekly).next(now), at("2026-12-05T03:00:00Z"));
    }

    #[test]
    fn what_is_over_is_forgotten_within_the_hour_and_at_midnight() {
        let task = Task::Forget;
        assert_eq!(task.next(at("2026-11-21T03:00:05Z")), at("2026-11-21T04:00:00Z"));
        assert_eq!(task.next(at("2026-11-21T23:59:59Z")), at("2026-11-22T00:00:00Z"));
    }

    #[test]
    fn a_failure_is_tried_again_within_the_hour() {
        let now = at("2026-11-21T12:00:00Z");
        assert_eq!(Task::Backup(Tier::Biweekly).retry(now), at("2026-11-21T13:00:00Z"));
    }

    #[test]
    fn the_oldest_tier_comes_first() {
        let names: Vec<_> = Task::ALL[..3].iter().map(|task| task.name()).collect();
        assert_eq!(names, ["backup:2-week", "backup:1-week", "backup:daily"]);
    }
}
