//! What the admin should know.

use rusqlite::params;
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Page, Tx, done, outbox};
use crate::events::{AlertLevel, Event};
use crate::time::Instant;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// UUIDv7.
    pub id: String,
    /// `errors`, `warnings` or `load`.
    pub level: String,
    /// What is wrong, in words for the admin.
    pub text: String,
    /// When it was raised, the last time.
    pub at: Instant,
    /// How often it was, while it stood.
    pub times: i64,
    /// When what is wrong was over, of an alert of which that is known.
    pub resolved_at: Option<Instant>,
}

/// Raises an alert in a transaction: a row, and an event.
///
/// # Errors
/// When a row cannot be written.
pub fn raise(tx: &Tx<'_>, level: AlertLevel, text: &str, cause: Uuid) -> Result<(), Error> {
    let sql = "INSERT INTO alerts (id, level, text, at) VALUES (?1, ?2, ?3, ?4)";
    let row = params![Uuid::now_v7().to_string(), level.as_str(), text, tx.now()];
    tx.conn().execute(sql, row)?;
    outbox::event(tx, &Event::alert(level, text, cause))
}

/// Raises an alert by itself.
///
/// # Errors
/// When it cannot be written.
pub async fn raise_now(data: &Data, level: AlertLevel, text: String) -> Result<(), Error> {
    data.writer().write(move |tx| raise(tx, level, &text, Uuid::now_v7())).await
}

/// Raises an alert that stands until it is [resolved](resolve): told again, it is
/// the same one with the newest words.
///
/// # Errors
/// When it cannot be written.
pub async fn raise_standing(
    data: &Data,
    key: &'static str,
    level: AlertLevel,
    text: String,
) -> Result<(), Error> {
    let write = move |tx: &Tx<'_>| {
        stand(tx, key, level, &text)?;
        outbox::event(tx, &Event::alert(level, &text, Uuid::now_v7()))
    };
    data.writer().write(write).await
}

/// Keeps a standing alert with the newest words; gives how often it was raised.
fn stand(tx: &Tx<'_>, key: &str, level: AlertLevel, text: &str) -> Result<i64, Error> {
    let sql = "INSERT INTO alerts (id, level, text, at, key) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (key) WHERE key IS NOT NULL AND resolved_at IS NULL \
               DO UPDATE SET id = ?1, level = ?2, text = ?3, at = ?4, times = times + 1 \
               RETURNING times";
    let row = params![Uuid::now_v7().to_string(), level.as_str(), text, tx.now(), key];
    Ok(tx.conn().prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Raises the alert that jobs of a kind are dead: one for all of them, with the words
/// on the newest. Those who watch are told of the 1st, 2nd, 4th, 8th, so that a
/// thousand failures are no thousand messages.
///
/// # Errors
/// When a row cannot be written.
pub(super) fn raise_dead(
    tx: &Tx<'_>,
    (queue, kind): (&str, &str),
    text: &str,
    cause: Uuid,
) -> Result<(), Error> {
    let times = stand(tx, &format!("dead {queue}/{kind}"), AlertLevel::Errors, text)?;
    if times.unsigned_abs().is_power_of_two() {
        outbox::event(tx, &Event::alert(AlertLevel::Errors, text, cause))?;
    }
    Ok(())
}

/// Notes that alerts of dead jobs are over where none of the kind is left that failed.
pub(super) fn resolve_dead(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = format!(
        "UPDATE alerts SET resolved_at = ?1 WHERE resolved_at IS NULL AND key LIKE 'dead %' \
         AND NOT EXISTS (SELECT 1 FROM dead_jobs WHERE {} \
         AND queue = substr(key, 6, instr(key, '/') - 6) \
         AND kind = substr(key, instr(key, '/') + 1))",
        done::HAS_FAILED
    );
    tx.conn().prepare_cached(&sql)?.execute([tx.now()])?;
    Ok(())
}

/// Notes that what a standing alert says is over; nothing where there is none.
///
/// # Errors
/// When it cannot be written.
pub async fn resolve(data: &Data, key: &'static str) -> Result<(), Error> {
    let sql = "UPDATE alerts SET resolved_at = ?2 WHERE key = ?1 AND resolved_at IS NULL";
    data.writer()
        .write(move |tx| Ok(tx.conn().execute(sql, params![key, tx.now()]).map(drop)?))
        .await
}

/// Alerts of a level, or of all, newest first; `after` is the cursor of a page
/// before.
///
/// # Errors
/// When they cannot be read.
pub async fn list(
    data: &Data,
    level: Option<&'static str>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Alert>, Error> {
    let sql = "SELECT id, level, text, at, resolved_at, times FROM alerts WHERE (?1 IS NULL OR id < ?1) \
               AND (?3 IS NULL OR level = ?3) ORDER BY id DESC LIMIT ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Alert {
            id: row.get(0)?,
            level: row.get(1)?,
            text: row.get(2)?,
            at: row.get(3)?,
            resolved_at: row.get(4)?,
            times: row.get(5)?,
        })
    };
    let rows = data.readers().read(move |conn| {
        let mut statement = conn.prepare_cached(sql)?;
        let rows = statement.query_map(params![after, limit as i64 + 1, level], read)?;
        Ok::<_, Error>(rows.collect::<Result<Vec<_>, _>>()?)
    });
    Ok(Page::cut(rows.await?, limit, |alert| alert.id.clone()))
}

/// How many errors and warnings were raised from `from` on, and are not over.
///
/// # Errors
/// When they cannot be counted.
pub async fn raised_since(data: &Data, from: Instant) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM alerts WHERE at >= ?1 AND level <> 'load' \
               AND resolved_at IS NULL";
    data.readers().read(move |conn| Ok(conn.query_row(sql, [from], |row| row.get(0))?)).await
}

/// Forgets alerts raised before `before`.
///
/// # Errors
/// When they cannot be deleted.
pub async fn prune(data: &Data, before: Instant) -> Result<usize, Error> {
    let sql = "DELETE FROM alerts WHERE at < ?1";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, [before])?)).await
}
