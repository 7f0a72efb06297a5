//! Restore drills: what was tried, when, and whether it could be restored.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::super::{Data, Error, Tx, alerts, uuid};
use super::{Tier, tell};
use crate::events::AlertLevel;
use crate::time::Instant;

/// The source of a drill of the replica on this box.
pub const LIVE: &str = "live";

/// One restore drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// UUIDv7.
    pub id: String,
    /// [`LIVE`], or a tier's name.
    pub source: String,
    /// When it ended.
    pub at: Instant,
    /// Whether what was restored was right.
    pub passed: bool,
    /// What was wrong.
    pub error: Option<String>,
}

/// Writes a drill of the live replica down; with a `problem` it failed, which is an alert.
///
/// # Errors
/// When it cannot be written.
pub async fn of_live(data: &Data, problem: Option<String>) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            let id = note(tx, LIVE, problem.is_none(), problem.as_deref())?;
            alert(tx, LIVE, problem.as_deref(), id)
        })
        .await
}

/// Writes a drill of `tier` down, also as that of its last good copy; with a `problem` it
/// failed, which is an alert.
///
/// # Errors
/// When it cannot be written.
pub async fn of_tier(data: &Data, tier: Tier, problem: Option<String>) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            let id = note(tx, tier.as_str(), problem.is_none(), problem.as_deref())?;
            let run = mark_run(tx, tier, problem.is_none())?;
            alert(tx, tier.as_str(), problem.as_deref(), run.unwrap_or(id))
        })
        .await
}

fn mark_run(tx: &Tx<'_>, tier: Tier, passed: bool) -> Result<Option<Uuid>, Error> {
    let sql = "UPDATE backup_runs SET drill = ?2 WHERE id = (SELECT id FROM backup_runs \
               WHERE tier = ?1 AND state = 'done' ORDER BY started_at DESC LIMIT 1) RETURNING id";
    let row = [tier.as_str(), word(passed)];
    let id = tx.conn().query_row(sql, row, |row| uuid(row.get_ref(0)?.as_str()?)).optional()?;
    if let Some(id) = id {
        tell(tx, id)?;
    }
    Ok(id)
}

fn alert(tx: &Tx<'_>, source: &str, problem: Option<&str>, id: Uuid) -> Result<(), Error> {
    if let Some(problem) = problem {
        let text = format!("the restore drill of {source} failed: {problem}");
        alerts::raise(tx, AlertLevel::Errors, &text, id)?;
    }
    Ok(())
}

/// Writes a drill down; gives its id.
pub(super) fn note(
    tx: &Tx<'_>,
    source: &str,
    passed: bool,
    problem: Option<&str>,
) -> Result<Uuid, Error> {
    let sql = "INSERT INTO drills (id, source, at, passed, error) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = Uuid::now_v7();
    tx.conn().execute(sql, params![id.to_string(), source, tx.now(), passed, problem])?;
    Ok(id)
}

/// How a drill ended, as runs and the API say it.
pub(super) fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// The last drill of each source that had one, the live replica's first.
///
/// # Errors
/// When they cannot be read.
pub async fn last(data: &Data) -> Result<Vec<Drill>, Error> {
    let sql = "SELECT id, source, at, passed, error FROM drills AS this WHERE id = \
               (SELECT id FROM drills WHERE source = this.source ORDER BY at DESC, id DESC LIMIT 1) \
               ORDER BY source <> 'live', source <> 'daily', source";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Drill {
                    id: row.get(0)?,
                    source: row.get(1)?,
                    at: row.get(2)?,
                    passed: row.get(3)?,
                    error: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Forgets drills that ended before `before`. Gives how many.
pub(super) fn prune(tx: &Tx<'_>, before: Instant) -> Result<usize, Error> {
    Ok(tx.conn().execute("DELETE FROM drills WHERE at < ?1", [before])?)
}
