//! Backups and their proof.

use askama::Template;

use super::AdminNav;
use crate::views::{Bytes, Layout, Pager, When};

/// `GET /admin/backups`. Topics: `backups.<tier>` of each tier. A tier's button
/// posts to `/admin/backups/{tier}/run`.
#[derive(Debug, Template)]
#[template(path = "admin/backups.html")]
pub struct BackupsPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// `daily`, `1-week`, `2-week`.
    pub tiers: Vec<Tier>,
    /// Runs, newest first.
    pub runs: Vec<BackupRun>,
    /// Newer and older runs.
    pub pager: Pager,
}

/// A tier of the off-site backup.
#[derive(Debug, Clone)]
pub struct Tier {
    /// `daily`, `1-week` or `2-week`.
    pub name: String,
    /// When it runs, in words, e.g. `every day at 03:10 UTC`.
    pub schedule: String,
    /// When it runs next.
    pub next: Option<When>,
    /// Its newest run, ended or not.
    pub last: Option<BackupRun>,
    /// Whether a run was asked for or is under way: the button rests.
    pub busy: bool,
}

/// One run of a tier.
#[derive(Debug, Clone)]
pub struct BackupRun {
    /// The run's id.
    pub id: String,
    /// Its tier.
    pub tier: String,
    /// When it began.
    pub started: When,
    /// When it ended; none while it runs.
    pub finished: Option<When>,
    /// Objects that the tier holds after it.
    pub objects: u64,
    /// Their size.
    pub bytes: Bytes,
    /// Objects copied by it.
    pub copied: u64,
    /// Objects deleted by it.
    pub deleted: u64,
    /// Objects compared with their checksum.
    pub verified: u64,
    /// What the restore test said, if one was part of the run.
    pub drill: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

impl BackupRun {
    /// `failed`, `done` or `running`, for words and colours.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.error, &self.finished) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "done",
            (None, None) => "running",
        }
    }
}
