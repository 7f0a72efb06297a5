//! What is known of the sources that the gateway asks.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Data, Error, Tx, blogroll, outbox};
use crate::jobs::gateway::PollSource;
use crate::sources::Sources;
use crate::time::Instant;

/// A host that was not asked for so long needs no row.
const HOST_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// Its name in `deploy/sources.yml`.
    pub name: String,
    /// Its address.
    pub url: String,
    /// When it is asked next.
    pub next_at: Instant,
    /// When it was asked, last.
    pub asked_at: Option<Instant>,
    /// When it answered well, last.
    pub answered_at: Option<Instant>,
    /// When it said something new, last.
    pub changed_at: Option<Instant>,
    /// How often it has failed since.
    pub failures: u32,
    /// It is left alone until then.
    pub rests_until: Option<Instant>,
    /// Why it failed, last; gone when it answers.
    pub error: Option<String>,
    /// Which of its polls counts.
    #[serde(skip)]
    pub turn: i64,
    /// What makes the next request conditional.
    #[serde(skip)]
    pub validators: Validators,
    /// Of what it said, last.
    #[serde(skip)]
    pub fingerprint: Option<String>,
}

/// What a server gave to ask with: whether its answer is still the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

/// Takes over which sources there are. One that is new, or has another address,
/// is asked at once; one that is gone is forgotten, with what it said.
///
/// # Errors
/// When the rows cannot be written.
pub async fn sync(data: &Data, sources: Sources) -> Result<(), Error> {
    data.writer()
        .write(move |tx| {
            let names = serde_json::to_string(&sources.sources.keys().collect::<Vec<_>>());
            let names = names.expect("a list of strings is JSON");
            let gone = "DELETE FROM sources \
                        WHERE name NOT IN (SELECT value FROM json_each(?1))";
            tx.conn().execute(gone, [names])?;
            for (name, source) in &sources.sources {
                put(tx, name, source)?;
            }
            let hosts = "DELETE FROM source_hosts WHERE free_at < ?1";
            tx.conn().execute(hosts, [tx.now().minus(HOST_KEPT)])?;
            let feeds = sources.sources.iter().filter(|(_, source)| source.to.is_none());
            let feeds: BTreeMap<&str, Option<&str>> =
                feeds.map(|(name, source)| (name.as_str(), source.title.as_deref())).collect();
            blogroll::keep(tx, &feeds, Uuid::now_v7())
        })
        .await
}

/// Another address, or another use, is another source: what was known of the
/// one before does not hold.
fn put(tx: &Tx<'_>, name: &str, source: &crate::sources::Source) -> Result<(), Error> {
    let (url, feed) = (source.url.as_str(), source.to.is_none());
    let other = "DELETE FROM sources WHERE name = ?1 AND (url <> ?2 OR blogroll <> ?3)";
    tx.conn().execute(other, params![name, url, feed])?;
    let sql = "INSERT INTO sources (name, url, blogroll, every_ms, next_at) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE \
               SET every_ms = excluded.every_ms, \
               next_at = min(next_at, \
                             max(coalesce(asked_at, 0) + excluded.every_ms, \
                                 coalesce(rests_until, 0)))";
    let every = millis(source.every);
    tx.conn().execute(sql, params![name, url, feed, every, tx.now()])?;
    Ok(())
}

/// Sends a poll of each source whose time has come: at most one of them is sent
/// by all processes together. Gives how many were sent.
///
/// # Errors
/// When the rows cannot be read or written.
pub async fn enqueue_due(data: &Data) -> Result<usize, Error> {
    let any = "SELECT EXISTS (SELECT 1 FROM sources WHERE next_at <= ?1)";
    let is_due = move |conn: &rusqlite::Connection| {
        Ok::<bool, Error>(conn.query_row(any, [Instant::now()], |row| row.get(0))?)
    };
    if !data.readers().read(is_due).await? {
        return Ok(0);
    }
    data.writer().write(enqueue_due_in).await
}

fn enqueue_due_in(tx: &Tx<'_>) -> Result<usize, Error> {
    let sql = "UPDATE sources SET next_at = ?1 + every_ms, turn = turn + 1 \
               WHERE next_at <= ?1 RETURNING name, turn";
    let mut statement = tx.conn().prepare_cached(sql)?;
    let due = statement.query_map([tx.now()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let due: Vec<(String, i64)> = due.collect::<Result<_, _>>()?;
    let sent = due.len();
    for (source, turn) in due {
        outbox::job(tx, PollSource { source, turn: Some(turn) }, Uuid::now_v7())?;
    }
    Ok(sent)
}

const COLUMNS: &str = "name, url, next_at, asked_at, answered_at, changed_at, failures, \
                       rests_until, error, turn, etag, last_modified, fingerprint";

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(State {
        name: row.get(0)?,
        url: row.get(1)?,
        next_at: row.get(2)?,
        asked_at: row.get(3)?,
        answered_at: row.get(4)?,
        changed_at: row.get(5)?,
        failures: row.get(6)?,
        rests_until: row.get(7)?,
        error: row.get(8)?,
        turn: row.get(9)?,
        validators: Validators { etag: row.get(10)?, last_modified: row.get(11)? },
        fingerprint: row.get(12)?,
    })
}

/// What is known of the source `name`.
///
/// # Errors
/// When it cannot be read.
pub async fn find(data: &Data, name: String) -> Result<Option<State>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM sources WHERE name = ?1");
    data.readers()
        .read(move |conn| Ok(conn.prepare_cached(&sql)?.query_row([name], state).optional()?))
        .await
}

/// Begins a poll of the source `name` that may take `within`: so long no other
/// one is sent. `None` when there is no such source, or the scheduled poll
/// `turn` is not the newest one.
///
/// # Errors
/// When the row cannot be written.
pub async fn begin(
    data: &Data,
    name: String,
    turn: Option<i64>,
    within: Duration,
) -> Result<Option<State>, Error> {
    let sql = format!(
        "UPDATE sources SET next_at = max(next_at, ?3) \
         WHERE name = ?1 AND (?2 IS NULL OR turn = ?2) RETURNING {COLUMNS}"
    );
    data.writer()
        .write(move |tx| {
            let row = params![name, turn, tx.now().plus(within)];
            Ok(tx.conn().prepare_cached(&sql)?.query_row(row, state).optional()?)
        })
        .await
}

/// All of them, by name.
///
/// # Errors
/// When they cannot be read.
pub async fn list(data: &Data) -> Result<Vec<State>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM sources ORDER BY name");
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map([], state)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// What a source said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The same as before.
    Same,
    /// The server did not know that it is the same.
    SameAnew(Validators),
    /// Something else, with this fingerprint.
    New(Validators, String),
}

/// Writes down that a source answered the poll that began with `before` at `at`;
/// false when another one was sent since, or the source is gone: then this
/// answer does not count.
///
/// # Errors
/// When the row cannot be written.
pub fn answered(tx: &Tx<'_>, before: &State, at: Instant, said: &Said) -> Result<bool, Error> {
    let known = before.fingerprint.clone();
    let (validators, fingerprint, changed_at) = match said {
        Said::Same => (before.validators.clone(), known, before.changed_at),
        Said::SameAnew(validators) => (validators.clone(), known, before.changed_at),
        Said::New(validators, new) => (validators.clone(), Some(new.clone()), Some(tx.now())),
    };
    let sql = "UPDATE sources SET next_at = ?4 + every_ms, asked_at = ?4, answered_at = ?9, \
               changed_at = ?5, etag = ?6, last_modified = ?7, fingerprint = ?8, \
               failures = 0, rests_until = NULL, error = NULL \
               WHERE name = ?1 AND url = ?2 AND turn = ?3";
    let State { name, url, turn, .. } = before;
    let Validators { etag, last_modified } = validators;
    let now = tx.now();
    let row = params![name, url, turn, at, changed_at, etag, last_modified, fingerprint, now];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? > 0)
}

/// Writes down that a source failed the poll that began with `before` at `at`,
/// and, where it is to `rest`, when it is asked next; false as for [`answered`].
///
/// # Errors
/// When the row cannot be written.
pub fn failed(
    tx: &Tx<'_>,
    before: &State,
    at: Instant,
    why: &str,
    rest: Option<Duration>,
) -> Result<bool, Error> {
    let until = rest.map(|rest| tx.now().plus(rest));
    let sql = "UPDATE sources SET asked_at = ?4, error = ?5, failures = failures + 1, \
               rests_until = ?6, next_at = max(?4 + every_ms, coalesce(?6, 0)) \
               WHERE name = ?1 AND url = ?2 AND turn = ?3";
    let State { name, url, turn, .. } = before;
    let row = params![name, url, turn, at, why, until];
    Ok(tx.conn().prepare_cached(sql)?.execute(row)? > 0)
}

/// Has the source asked again after `wait`, in place of the poll that began
/// with `before`.
///
/// # Errors
/// When the row cannot be written.
pub async fn postpone(data: &Data, before: State, wait: Duration) -> Result<(), Error> {
    let sql = "UPDATE sources SET next_at = ?4 WHERE name = ?1 AND url = ?2 AND turn = ?3";
    let State { name, url, turn, .. } = before;
    data.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![name, url, turn, tx.now().plus(wait)])?;
            Ok(())
        })
        .await
}

/// Takes the next moment at which `host` may be asked, and `gap` after it for
/// the next one; gives how long it is until then. When that is longer than
/// `patience`, nothing is taken.
///
/// # Errors
/// When the row cannot be written.
pub async fn take_turn(
    data: &Data,
    host: String,
    gap: Duration,
    patience: Duration,
) -> Result<Duration, Error> {
    let find = "SELECT free_at FROM source_hosts WHERE host = ?1";
    let take = "INSERT INTO source_hosts (host, free_at) VALUES (?1, ?2) \
                ON CONFLICT (host) DO UPDATE SET free_at = excluded.free_at";
    data.writer()
        .write(move |tx| {
            let free: Option<Instant> =
                tx.conn().prepare_cached(find)?.query_row([&host], |row| row.get(0)).optional()?;
            let at = free.map_or(tx.now(), |free| free.max(tx.now()));
            let wait = at.since(tx.now());
            if wait <= patience {
                tx.conn().prepare_cached(take)?.execute(params![host, at.plus(gap)])?;
            }
            Ok(wait)
        })
        .await
}

/// Has nobody ask `host` before `pause` is over, as it demanded.
///
/// # Errors
/// When the row cannot be written.
pub fn hold_host(tx: &Tx<'_>, host: &str, pause: Duration) -> Result<(), Error> {
    let sql = "INSERT INTO source_hosts (host, free_at) VALUES (?1, ?2) \
               ON CONFLICT (host) DO UPDATE SET free_at = max(free_at, excluded.free_at)";
    tx.conn().execute(sql, params![host, tx.now().plus(pause)])?;
    Ok(())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
