//! Backup runs: what was copied where, and whether it can be restored.

pub mod drills;
pub mod schedule;
pub mod snapshot;

use std::fmt;
use std::str::FromStr;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Page, Tx, alerts, outbox};
use crate::events::{AlertLevel, Event};
use crate::time::Instant;

/// An off-site copy of a certain age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Copied from the site every night.
    #[serde(rename = "daily")]
    Daily,
    /// Copied from the daily tier every seven days.
    #[serde(rename = "1-week")]
    Weekly,
    /// Copied from the one-week tier every fourteen days.
    #[serde(rename = "2-week")]
    Biweekly,
}

impl Tier {
    /// All tiers in the order of a night's work: the oldest copy first, so
    /// that one night's damage does not reach them all.
    pub const OLDEST_FIRST: [Self; 3] = [Self::Biweekly, Self::Weekly, Self::Daily];

    /// Its name in commands, topics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "1-week",
            Self::Biweekly => "2-week",
        }
    }

    /// The tier it is copied from; `None` when that is the site itself.
    #[must_use]
    pub const fn source(self) -> Option<Self> {
        match self {
            Self::Daily => None,
            Self::Weekly => Some(Self::Daily),
            Self::Biweekly => Some(Self::Weekly),
        }
    }

    /// Its task in the schedule.
    #[must_use]
    pub fn task(self) -> String {
        format!("backup:{}", self.as_str())
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no tier has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tier; there are daily, 1-week and 2-week")]
pub struct NoSuchTier(pub String);

impl FromStr for Tier {
    type Err = NoSuchTier;

    fn from_str(text: &str) -> Result<Self, NoSuchTier> {
        let found = Self::OLDEST_FIRST.into_iter().find(|tier| tier.as_str() == text);
        found.ok_or_else(|| NoSuchTier(text.to_owned()))
    }
}

/// One run, as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// UUIDv7.
    pub id: String,
    /// A tier's name.
    pub tier: String,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub finished: Option<Instant>,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// What was done.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether a restore from it was tried: `passed` or `failed`.
    pub drill: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When the site was copied that the tier holds since; a promotion keeps it.
    pub taken_at: Option<Instant>,
}

/// The numbers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Objects that the copy holds.
    pub objects: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Objects that had to be sent.
    pub copied: i64,
    /// Objects that nothing refers to any more, deleted.
    pub deleted: i64,
    /// Objects found at the destination, or sent with a checksum it confirmed.
    pub verified: i64,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was done.
    pub tally: Tally,
    /// Whether a restore from it worked, if it was tried.
    pub drill: Option<bool>,
    /// Why the run failed, if it did.
    pub error: Option<String>,
    /// When the site was copied that the copy holds.
    pub taken_at: Option<Instant>,
}

const COLUMNS: &str = "id, tier, started_at, finished_at, state, objects, bytes, copied, deleted, \
                       verified, drill, error, taken_at";

fn run(row: &rusqlite::Row<'_>) -> rusqlite::Result<Run> {
    let tally = Tally {
        objects: row.get(5)?,
        bytes: row.get(6)?,
        copied: row.get(7)?,
        deleted: row.get(8)?,
        verified: row.get(9)?,
    };
    Ok(Run {
        id: row.get(0)?,
        tier: row.get(1)?,
        started: row.get(2)?,
        finished: row.get(3)?,
        state: row.get(4)?,
        tally,
        drill: row.get(10)?,
        error: row.get(11)?,
        taken_at: row.get(12)?,
    })
}

/// Writes down that a run of `tier` began; gives its id.
///
/// # Errors
/// When it cannot be written.
pub async fn begin(data: &Data, tier: Tier) -> Result<Uuid, Error> {
    let sql =
        "INSERT INTO backup_runs (id, tier, started_at, state) VALUES (?1, ?2, ?3, 'running')";
    data.writer()
        .write(move |tx| {
            let id = Uuid::now_v7();
            tx.conn().execute(sql, params![id.to_string(), tier.as_str(), tx.now()])?;
            tell(tx, id)?;
            Ok(id)
        })
        .await
}

/// Writes down how a run ended; a failure, also of its drill, is an alert.
///
/// # Errors
/// When it cannot be written.
pub async fn finish(data: &Data, id: Uuid, outcome: Outcome) -> Result<Run, Error> {
    data.writer().write(move |tx| finish_in(tx, id, &outcome)).await
}

fn finish_in(tx: &Tx<'_>, id: Uuid, outcome: &Outcome) -> Result<Run, Error> {
    let sql = "UPDATE backup_runs SET finished_at = ?2, state = ?3, objects = ?4, bytes = ?5, \
               copied = ?6, deleted = ?7, verified = ?8, drill = ?9, error = ?10, taken_at = ?11 \
               WHERE id = ?1";
    let Outcome { tally, drill: proved, error, taken_at } = outcome;
    let state = if error.is_none() { "done" } else { "failed" };
    let drill = proved.map(drills::word);
    let Tally { objects, bytes, copied, deleted, verified } = *tally;
    let (key, now) = (id.to_string(), tx.now());
    let row =
        params![key, now, state, objects, bytes, copied, deleted, verified, drill, error, taken_at];
    tx.conn().execute(sql, row)?;
    let run = tell(tx, id)?;
    if let Some(passed) = *proved {
        drills::note(tx, &run.tier, passed, error.as_deref())?;
    }
    if let Some(error) = error {
        let text = format!("the backup {} failed: {error}", run.tier);
        alerts::raise(tx, AlertLevel::Errors, &text, id)?;
    }
    Ok(run)
}

/// Tells the admin's pages of a run.
fn tell(tx: &Tx<'_>, id: Uuid) -> Result<Run, Error> {
    let sql = format!("SELECT {COLUMNS} FROM backup_runs WHERE id = ?1");
    let run = tx.conn().query_row(&sql, [id.to_string()], run)?;
    outbox::event(tx, &Event::backup(&run.tier, &run, id))?;
    Ok(run)
}

/// Ends the runs that a process left behind when it died; call it while
/// holding the lease on backups. Gives how many.
///
/// # Errors
/// When they cannot be written.
pub async fn end_abandoned(data: &Data) -> Result<usize, Error> {
    data.writer()
        .write(|tx| {
            let ids = running(tx)?;
            for id in &ids {
                let error = Some("it was cut off when its process ended".to_owned());
                finish_in(tx, *id, &Outcome { error, ..Outcome::default() })?;
            }
            Ok(ids.len())
        })
        .await
}

fn running(tx: &Tx<'_>) -> Result<Vec<Uuid>, Error> {
    let mut statement = tx.conn().prepare("SELECT id FROM backup_runs WHERE state = 'running'")?;
    let ids = statement.query_map([], |row| super::uuid(row.get_ref(0)?.as_str()?))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Runs, newest first; `tier` limits them, `after` is the cursor of a page
/// before.
///
/// # Errors
/// When they cannot be read.
pub async fn list(
    data: &Data,
    tier: Option<String>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Run>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM backup_runs WHERE (?1 IS NULL OR tier = ?1) \
         AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
    );
    let rows = data.readers().read(move |conn| {
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![tier, after, limit as i64 + 1], run)?;
        Ok::<_, Error>(rows.collect::<Result<Vec<_>, _>>()?)
    });
    Ok(Page::cut(rows.await?, limit, |run| run.id.clone()))
}

/// The newest run of `tier` that ended well.
///
/// # Errors
/// When it cannot be read.
pub async fn last_done(data: &Data, tier: &'static str) -> Result<Option<Run>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM backup_runs WHERE tier = ?1 AND state = 'done' \
         ORDER BY started_at DESC LIMIT 1"
    );
    data.readers().read(move |conn| Ok(conn.query_row(&sql, [tier], run).optional()?)).await
}

/// Asks for a run of `tier` as soon as cron looks, within seconds.
///
/// # Errors
/// When it cannot be written.
pub async fn request_run(data: &Data, tier: Tier) -> Result<(), Error> {
    schedule::request(data, tier.task()).await
}

/// Forgets runs that began, and drills that ended, before `before`. Gives how many.
///
/// # Errors
/// When they cannot be deleted.
pub async fn prune(data: &Data, before: Instant) -> Result<usize, Error> {
    let sql = "DELETE FROM backup_runs WHERE started_at < ?1 AND state <> 'running'";
    data.writer()
        .write(move |tx| Ok(tx.conn().execute(sql, [before])? + drills::prune(tx, before)?))
        .await
}
