//! The newest posts of other sites, as the home page shows them.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Tx, outbox};
use crate::events::Event;
use crate::jobs::blogroll::{FeedChanged, FeedEntry};
use crate::time::Instant;

/// How many posts the page shows.
const SHOWN: usize = 8;
/// Of one site at most, so that a busy one does not fill the box.
const SHOWN_OF_A_SITE: usize = 3;

/// A post of another site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The site's name.
    pub site: String,
    /// The post's title.
    pub title: String,
    /// Its address: http or https.
    pub url: String,
    /// When it was published.
    pub published_at: Instant,
}

/// The newest posts of all feeds, newest first; `None` when no feed is
/// configured.
///
/// # Errors
/// When they cannot be read.
pub async fn newest(data: &Data) -> Result<Option<Vec<Item>>, Error> {
    let configured = "SELECT EXISTS (SELECT 1 FROM sources WHERE blogroll)";
    data.readers()
        .read(move |conn| {
            let any = conn.prepare_cached(configured)?.query_row([], |row| row.get(0))?;
            if any { Ok(Some(shown(conn)?)) } else { Ok(None) }
        })
        .await
}

fn shown(conn: &Connection) -> Result<Vec<Item>, Error> {
    let sql = "SELECT feed.title, entry.title, entry.url, entry.published_at FROM ( \
                 SELECT *, row_number() OVER \
                   (PARTITION BY source ORDER BY published_at DESC, id) AS place \
                 FROM blogroll_entries) AS entry \
               JOIN blogroll_feeds AS feed USING (source) \
               WHERE place <= ?1 ORDER BY published_at DESC, source, id LIMIT ?2";
    let item = |row: &rusqlite::Row<'_>| {
        Ok(Item {
            site: row.get(0)?,
            title: row.get(1)?,
            url: row.get(2)?,
            published_at: row.get(3)?,
        })
    };
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![SHOWN_OF_A_SITE as i64, SHOWN as i64], item)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Puts what a feed holds now in place of what it held; tells what the page
/// shows, if that has changed. An answer older than the one before changes
/// nothing.
///
/// # Errors
/// When a row cannot be written.
pub fn replace(tx: &Tx<'_>, feed: &FeedChanged, cause: Uuid) -> Result<(), Error> {
    telling(tx, cause, |tx| {
        if take_feed(tx, feed)? {
            for entry in &feed.entries {
                take_entry(tx, feed, entry)?;
            }
            let gone = "DELETE FROM blogroll_entries WHERE source = ?1 AND asked_at < ?2";
            tx.conn().execute(gone, params![feed.source, feed.asked_at])?;
        }
        Ok(())
    })
}

/// Whether the source is still one, and this its newest answer.
fn take_feed(tx: &Tx<'_>, feed: &FeedChanged) -> Result<bool, Error> {
    let sql = "INSERT INTO blogroll_feeds (source, title, asked_at) \
               SELECT name, ?2, ?3 FROM sources WHERE name = ?1 AND blogroll \
               ON CONFLICT (source) DO UPDATE \
               SET title = excluded.title, asked_at = excluded.asked_at \
               WHERE excluded.asked_at >= blogroll_feeds.asked_at";
    let row = params![feed.source, feed.title, feed.asked_at];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? > 0)
}

fn take_entry(tx: &Tx<'_>, feed: &FeedChanged, entry: &FeedEntry) -> Result<(), Error> {
    let sql = "INSERT INTO blogroll_entries (source, id, title, url, published_at, asked_at) \
               VALUES (?1, ?2, ?3, ?4, min(coalesce(?5, ?6), ?6), ?6) \
               ON CONFLICT (source, id) DO UPDATE SET title = excluded.title, \
               url = excluded.url, asked_at = excluded.asked_at, \
               published_at = CASE WHEN ?5 IS NULL THEN published_at \
                                   ELSE excluded.published_at END";
    let FeedEntry { id, title, url, published_at } = entry;
    let row = params![feed.source, id, title, url, published_at, feed.asked_at];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Forgets the feeds that are not among `kept`, and gives the others the names
/// that they are to have.
pub(super) fn keep(
    tx: &Tx<'_>,
    kept: &BTreeMap<&str, Option<&str>>,
    cause: Uuid,
) -> Result<(), Error> {
    let json = serde_json::to_string(kept).expect("a map of strings is JSON");
    let forget = "DELETE FROM blogroll_feeds \
                  WHERE source NOT IN (SELECT key FROM json_each(?1))";
    let rename = "UPDATE blogroll_feeds SET title = named.value FROM json_each(?1) AS named \
                  WHERE named.key = blogroll_feeds.source AND named.value IS NOT NULL";
    telling(tx, cause, |tx| {
        tx.conn().execute(forget, [&json])?;
        tx.conn().execute(rename, [&json])?;
        Ok(())
    })
}

/// Runs `change`, and tells what the page shows if that is something else now.
fn telling(
    tx: &Tx<'_>,
    cause: Uuid,
    change: impl FnOnce(&Tx<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let before = shown(tx.conn())?;
    change(tx)?;
    let after = shown(tx.conn())?;
    if before == after {
        return Ok(());
    }
    outbox::event(tx, &Event::blogroll(&after, cause))
}
