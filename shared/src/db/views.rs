//! Page views: counted once a visitor, path and visit.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, outbox};
use crate::events::{Event, ViewCount};
use crate::jobs::views::Hit;
use crate::subject::is_word;
use crate::time::Instant;

/// A visitor who comes back after this long begins another visit: the usual
/// half hour of web analytics.
const VISIT_GAP_MS: i64 = 30 * 60 * 1000;

/// The path that stands for the whole site in `view_counts`.
const SITE: &str = "";

/// Counts page views, keeps the counters that pages show equal to them, and
/// tells what changed.
///
/// # Errors
/// When they cannot be written.
pub fn count(tx: &Tx<'_>, hits: &[Hit], cause: Uuid) -> Result<(), Error> {
    let mut changed = BTreeSet::new();
    for hit in hits {
        if count_one(tx, hit)? {
            changed.insert(hit.path.as_str());
        }
    }
    for path in &changed {
        if let Some(slug) = path.strip_prefix("/posts/").filter(|slug| is_word(slug)) {
            tell(tx, path, Some(slug), cause)?;
        }
    }
    if changed.is_empty() { Ok(()) } else { tell(tx, SITE, None, cause) }
}

fn tell(tx: &Tx<'_>, path: &str, slug: Option<&str>, cause: Uuid) -> Result<(), Error> {
    let count = select_count(tx.conn(), path)?;
    outbox::event(tx, &Event::views(slug, count, cause))
}

/// Counts one page view; false when this visit has seen the path before.
fn count_one(tx: &Tx<'_>, hit: &Hit) -> Result<bool, Error> {
    let new_on_path = !on_path(tx, hit)?;
    let new_on_site = !on_site(tx, hit)?;
    let visit = visit(tx, hit)?;
    if !insert(tx, visit, hit)? {
        return Ok(false);
    }
    add(tx, &hit.path, new_on_path)?;
    add(tx, SITE, new_on_site)?;
    Ok(true)
}

/// The visit that a hit belongs to, begun when the last one is over.
fn visit(tx: &Tx<'_>, hit: &Hit) -> Result<i64, Error> {
    let find = "SELECT id FROM visits WHERE visitor = ?1 AND last_at > ?2 - ?3 \
                ORDER BY last_at DESC LIMIT 1";
    let row = params![hit.visitor, hit.at, VISIT_GAP_MS];
    let found = tx.conn().prepare_cached(find)?.query_row(row, |row| row.get(0)).optional()?;
    if let Some(id) = found {
        let touch = "UPDATE visits SET last_at = max(last_at, ?2) WHERE id = ?1";
        tx.conn().prepare_cached(touch)?.execute(params![id, hit.at])?;
        return Ok(id);
    }
    let begin = "INSERT INTO visits (visitor, started_at, last_at) VALUES (?1, ?2, ?2)";
    tx.conn().prepare_cached(begin)?.execute(params![hit.visitor, hit.at])?;
    Ok(tx.conn().last_insert_rowid())
}

/// Whether the visitor has read this path before.
fn on_path(tx: &Tx<'_>, hit: &Hit) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM hits WHERE path = ?1 AND visitor = ?2)";
    let row = [&hit.path, &hit.visitor];
    Ok(tx.conn().prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Whether the visitor has been on the site before: every visit has a hit.
fn on_site(tx: &Tx<'_>, hit: &Hit) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM visits WHERE visitor = ?1)";
    Ok(tx.conn().prepare_cached(sql)?.query_row([&hit.visitor], |row| row.get(0))?)
}

fn insert(tx: &Tx<'_>, visit: i64, hit: &Hit) -> Result<bool, Error> {
    let sql = "INSERT INTO hits (visit_id, path, visitor, at, title, referrer, browser, system, \
               width) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    let Hit { at, path, visitor, referrer, title, browser, system, width, .. } = hit;
    let row = params![visit, path, visitor, at, title, referrer, browser, system, width];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? == 1)
}

fn add(tx: &Tx<'_>, path: &str, new_visitor: bool) -> Result<(), Error> {
    let sql = "INSERT INTO view_counts (path, views, visitors) VALUES (?1, 1, ?2) \
               ON CONFLICT (path) DO UPDATE SET views = views + 1, visitors = visitors + ?2";
    tx.conn().prepare_cached(sql)?.execute(params![path, new_visitor])?;
    Ok(())
}

fn select_count(conn: &rusqlite::Connection, path: &str) -> Result<ViewCount, Error> {
    let sql = "SELECT views, visitors FROM view_counts WHERE path = ?1";
    let read =
        |row: &rusqlite::Row<'_>| Ok(ViewCount { views: row.get(0)?, visitors: row.get(1)? });
    let found = conn.prepare_cached(sql)?.query_row([path], read).optional()?;
    Ok(found.unwrap_or_default())
}

/// The counters of the whole site.
///
/// # Errors
/// When they cannot be read.
pub async fn site(data: &Data) -> Result<ViewCount, Error> {
    data.readers().read(|conn| select_count(conn, SITE)).await
}

/// The counters of posts, by slug; those without a view are left out.
///
/// # Errors
/// When they cannot be read.
pub async fn of_posts(
    data: &Data,
    slugs: Vec<String>,
) -> Result<HashMap<String, ViewCount>, Error> {
    data.readers()
        .read(move |conn| {
            let count = |slug: String| {
                select_count(conn, &format!("/posts/{slug}")).map(|count| (slug, count))
            };
            slugs.into_iter().map(count).collect()
        })
        .await
}

/// A row of a statistic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is counted.
    pub name: String,
    /// Page views.
    pub views: i64,
    /// Different visitors.
    pub visitors: i64,
}

/// The counters of the time from `from` on.
///
/// # Errors
/// When they cannot be read.
pub async fn since(data: &Data, from: Instant) -> Result<ViewCount, Error> {
    let sql = "SELECT count(*), count(DISTINCT visitor) FROM hits WHERE at >= ?1";
    let read =
        |row: &rusqlite::Row<'_>| Ok(ViewCount { views: row.get(0)?, visitors: row.get(1)? });
    data.readers().read(move |conn| Ok(conn.query_row(sql, [from], read)?)).await
}

/// The paths most read from `from` on.
///
/// # Errors
/// When they cannot be read.
pub async fn top_pages(data: &Data, from: Instant, limit: usize) -> Result<Vec<Row>, Error> {
    let sql = "SELECT path, count(*), count(DISTINCT visitor) FROM hits WHERE at >= ?1 \
               GROUP BY path ORDER BY 2 DESC, 1 LIMIT ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row { name: row.get(0)?, views: row.get(1)?, visitors: row.get(2)? })
    };
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![from, limit as i64], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}
