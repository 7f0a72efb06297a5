//! What cron does when: due times, last successes, leases.

use std::time::Duration;

use rusqlite::params;
use serde::Serialize;

use super::super::{Data, Error};
use crate::time::Instant;

/// A task of cron, as `cron status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Its name, such as `backup:daily`.
    pub task: String,
    /// When it is to run next; `None` when it only runs on request.
    pub due_at: Option<Instant>,
    /// When it last began.
    pub last_started_at: Option<Instant>,
    /// When it last ended well.
    pub last_success_at: Option<Instant>,
    /// Which process holds it.
    pub lease_owner: Option<String>,
    /// Until when, unless it renews.
    pub lease_until: Option<Instant>,
}

/// All tasks and leases, by name.
///
/// # Errors
/// When they cannot be read.
pub async fn list(data: &Data) -> Result<Vec<Task>, Error> {
    let sql = "SELECT task, due_at, last_started_at, last_success_at, lease_owner, lease_until \
               FROM schedule ORDER BY task";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Task {
                    task: row.get(0)?,
                    due_at: row.get(1)?,
                    last_started_at: row.get(2)?,
                    last_success_at: row.get(3)?,
                    lease_owner: row.get(4)?,
                    lease_until: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Makes `task` known, first due at `due`; one that is known stays as it is,
/// so that a run missed while the site was down is still due.
/// True when it was new.
///
/// # Errors
/// When it cannot be written.
pub async fn ensure(data: &Data, task: String, due: Option<Instant>) -> Result<bool, Error> {
    let sql = "INSERT INTO schedule (task, due_at) VALUES (?1, ?2) ON CONFLICT (task) DO UPDATE \
               SET due_at = excluded.due_at WHERE schedule.due_at IS NULL \
               AND excluded.due_at IS NOT NULL";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, params![task, due])? == 1)).await
}

/// Makes `task` due now.
///
/// # Errors
/// When it cannot be written.
pub async fn request(data: &Data, task: String) -> Result<(), Error> {
    let sql = "INSERT INTO schedule (task, due_at) VALUES (?1, ?2) \
               ON CONFLICT (task) DO UPDATE SET due_at = excluded.due_at";
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![task, tx.now()])?;
            Ok(())
        })
        .await
}

/// The names of the tasks whose time has come.
///
/// # Errors
/// When they cannot be read.
pub async fn due(data: &Data) -> Result<Vec<String>, Error> {
    let sql = "SELECT task FROM schedule WHERE due_at <= ?1";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([Instant::now()], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Writes down that `task` begins.
///
/// # Errors
/// When it cannot be written.
pub async fn started(data: &Data, task: String) -> Result<(), Error> {
    let sql = "INSERT INTO schedule (task, last_started_at) VALUES (?1, ?2) ON CONFLICT (task) \
               DO UPDATE SET last_started_at = excluded.last_started_at";
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![task, tx.now()])?;
            Ok(())
        })
        .await
}

/// Writes down that `task` ended, well or not, and when it is due next. A
/// request that came while it ran stands.
///
/// # Errors
/// When it cannot be written.
pub async fn ended(
    data: &Data,
    task: String,
    well: bool,
    next: Option<Instant>,
) -> Result<(), Error> {
    let sql = "UPDATE schedule SET \
               last_success_at = CASE WHEN ?2 THEN ?3 ELSE last_success_at END, \
               due_at = CASE WHEN due_at > last_started_at AND due_at <= ?3 THEN due_at \
                        ELSE ?4 END \
               WHERE task = ?1";
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![task, well, tx.now(), next])?;
            Ok(())
        })
        .await
}

/// Takes the lease `name` for `owner`, or renews it; false when another
/// process holds it.
///
/// # Errors
/// When it cannot be written.
pub async fn lease(
    data: &Data,
    name: &'static str,
    owner: String,
    life: Duration,
) -> Result<bool, Error> {
    let sql = "INSERT INTO schedule (task, lease_owner, lease_until) VALUES (?1, ?2, ?4) \
               ON CONFLICT (task) DO UPDATE \
               SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until \
               WHERE lease_owner = excluded.lease_owner OR lease_until IS NULL \
               OR lease_until <= ?3";
    data.writer()
        .write(move |tx| {
            let row = params![name, owner, tx.now(), tx.now().plus(life)];
            Ok(tx.conn().execute(sql, row)? == 1)
        })
        .await
}

/// Gives the lease `name` back, if `owner` still holds it.
///
/// # Errors
/// When it cannot be written.
pub async fn release(data: &Data, name: &'static str, owner: String) -> Result<(), Error> {
    let sql = "UPDATE schedule SET lease_owner = NULL, lease_until = NULL \
               WHERE task = ?1 AND lease_owner = ?2";
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![name, owner])?;
            Ok(())
        })
        .await
}

/// Forgets that `task` was ever known.
///
/// # Errors
/// When it cannot be deleted.
pub async fn forget(data: &Data, task: &'static str) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            tx.conn().execute("DELETE FROM schedule WHERE task = ?1", [task])?;
            Ok(())
        })
        .await
}
