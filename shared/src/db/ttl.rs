//! What is to be forgotten: sessions, codes, salts, limits, retry keys.
//!
//! Secrets come in as SHA-256 hashes; none is ever stored as it is.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{Error, Ttl, Tx, uuid};
use crate::recipient::PageSession;
use crate::time::Instant;

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Names it in lists; not the secret.
    pub id: Uuid,
    /// Who signed in.
    pub user: Uuid,
    /// With what.
    pub user_agent: String,
    /// When.
    pub created_at: Instant,
    /// When it was last used, to the minute.
    pub last_seen_at: Instant,
}

/// A session ends after so long without use.
pub const SESSION_IDLE: Duration = Duration::from_secs(7 * 86_400);
/// A session ends after so long whatever happens.
pub const SESSION_MAX: Duration = Duration::from_secs(30 * 86_400);
/// A code that was mailed is good for so long (OWASP ASVS: 10 minutes at most).
pub const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
/// Wrong codes before the request is void.
const CODE_TRIES: i64 = 5;
/// How long a retry with the same `Idempotency-Key` is known.
const KEY_LIFE: Duration = Duration::from_secs(86_400);
/// As long as events are kept: nobody hears of the comment after that.
const PAGE_LIFE: Duration = Duration::from_secs(86_400);
/// A salt is good for its day and destroyed after the next: then nobody can
/// tell which visitor a hash was.
const SALT_LIFE_DAYS: i64 = 2;
const DAY_MS: i64 = 86_400_000;

/// Begins a session under the hash of its token.
///
/// # Errors
/// When it cannot be written.
pub async fn begin_session(
    ttl: &Ttl,
    hash: String,
    user: Uuid,
    user_agent: String,
) -> Result<Uuid, Error> {
    let sql = "INSERT INTO sessions (hash, id, user_id, user_agent, created_at, last_seen_at, \
               expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
    ttl.writer()
        .write(move |tx| {
            let id = Uuid::now_v7();
            let ends = tx.now().plus(SESSION_MAX);
            let row = params![hash, id.to_string(), user.to_string(), user_agent, tx.now(), ends];
            tx.conn().execute(sql, row)?;
            Ok(id)
        })
        .await
}

const SESSION: &str = "id, user_id, user_agent, created_at, last_seen_at";
const ALIVE: &str = "expires_at > ?2 AND last_seen_at > ?2 - ?3";

fn session(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: uuid(row.get_ref(0)?.as_str()?)?,
        user: uuid(row.get_ref(1)?.as_str()?)?,
        user_agent: row.get(2)?,
        created_at: row.get(3)?,
        last_seen_at: row.get(4)?,
    })
}

fn idle_ms() -> i64 {
    i64::try_from(SESSION_IDLE.as_millis()).unwrap_or(i64::MAX)
}

/// The live session of a token's hash; its last use is noted once a minute.
///
/// # Errors
/// When it cannot be read.
pub async fn find_session(ttl: &Ttl, hash: String) -> Result<Option<Session>, Error> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE hash = ?1 AND {ALIVE}");
    let key = hash.clone();
    let found = ttl
        .readers()
        .read(move |conn| {
            let row = params![key, Instant::now(), idle_ms()];
            Ok::<_, Error>(conn.prepare_cached(&sql)?.query_row(row, session).optional()?)
        })
        .await?;
    if let Some(session) = &found {
        touch_session(ttl, hash, session.last_seen_at).await?;
    }
    Ok(found)
}

async fn touch_session(ttl: &Ttl, hash: String, last: Instant) -> Result<(), Error> {
    if Instant::now().since(last) < Duration::from_secs(60) {
        return Ok(());
    }
    let sql = "UPDATE sessions SET last_seen_at = ?2 WHERE hash = ?1";
    let touch = move |tx: &Tx<'_>| {
        tx.conn().execute(sql, params![hash, tx.now()])?;
        Ok(())
    };
    ttl.writer().write(touch).await
}

/// The live sessions of a user, the last used first.
///
/// # Errors
/// When they cannot be read.
pub async fn sessions_of(ttl: &Ttl, user: Uuid) -> Result<Vec<Session>, Error> {
    let sql = format!(
        "SELECT {SESSION} FROM sessions WHERE user_id = ?1 AND {ALIVE} ORDER BY last_seen_at DESC"
    );
    ttl.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            let row = params![user.to_string(), Instant::now(), idle_ms()];
            Ok(statement.query_map(row, session)?.collect::<Result<_, _>>()?)
        })
        .await
}

/// Ends a session of a user by its id; false when there is none.
///
/// # Errors
/// When it cannot be deleted.
pub async fn end_session(ttl: &Ttl, user: Uuid, id: Uuid) -> Result<bool, Error> {
    let sql = "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2";
    let end =
        move |tx: &Tx<'_>| Ok(tx.conn().execute(sql, [id.to_string(), user.to_string()])? == 1);
    ttl.writer().write(end).await
}

/// Keeps the hash of a code that is being mailed; a newer one replaces it.
///
/// # Errors
/// When it cannot be written.
pub async fn keep_code(ttl: &Ttl, request: Uuid, email: String, hash: String) -> Result<(), Error> {
    let sql = "INSERT INTO signin_codes (request, email, hash, expires_at) \
               VALUES (?1, ?2, ?3, ?4) ON CONFLICT (request) DO UPDATE \
               SET hash = excluded.hash, tries = 0, expires_at = excluded.expires_at";
    ttl.writer()
        .write(move |tx| {
            let ends = tx.now().plus(CODE_LIFE);
            tx.conn().execute(sql, params![request.to_string(), email, hash, ends])?;
            Ok(())
        })
        .await
}

/// Spends a code: the address it was mailed to when `hash` is right. A wrong
/// one counts, and after five the request is void.
///
/// # Errors
/// When it cannot be written.
pub async fn spend_code(ttl: &Ttl, request: Uuid, hash: String) -> Result<Option<String>, Error> {
    let take = "DELETE FROM signin_codes WHERE request = ?1 AND hash = ?2 AND expires_at > ?3 \
                AND tries < ?4 RETURNING email";
    let miss = "UPDATE signin_codes SET tries = tries + 1 WHERE request = ?1";
    ttl.writer()
        .write(move |tx| {
            let request = request.to_string();
            let row = params![request, hash, tx.now(), CODE_TRIES];
            let email = tx.conn().query_row(take, row, |row| row.get(0)).optional()?;
            if email.is_none() {
                tx.conn().execute(miss, [request])?;
            }
            Ok(email)
        })
        .await
}

/// Keeps the hash of a sign-in link.
///
/// # Errors
/// When it cannot be written.
pub async fn keep_link(ttl: &Ttl, hash: String, user: Uuid, life: Duration) -> Result<(), Error> {
    let sql = "INSERT INTO signin_links (hash, user_id, expires_at) VALUES (?1, ?2, ?3)";
    ttl.writer()
        .write(move |tx| {
            tx.conn().execute(sql, params![hash, user.to_string(), tx.now().plus(life)])?;
            Ok(())
        })
        .await
}

/// Whether a sign-in link is still good.
///
/// # Errors
/// When it cannot be read.
pub async fn link_is_good(ttl: &Ttl, hash: String) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM signin_links WHERE hash = ?1 AND expires_at > ?2)";
    ttl.readers()
        .read(move |conn| Ok(conn.query_row(sql, params![hash, Instant::now()], |row| row.get(0))?))
        .await
}

/// Spends a sign-in link: its user, the first time.
///
/// # Errors
/// When it cannot be deleted.
pub async fn spend_link(ttl: &Ttl, hash: String) -> Result<Option<Uuid>, Error> {
    let sql = "DELETE FROM signin_links WHERE hash = ?1 AND expires_at > ?2 RETURNING user_id";
    let read = |row: &rusqlite::Row<'_>| uuid(row.get_ref(0)?.as_str()?);
    ttl.writer()
        .write(move |tx| Ok(tx.conn().query_row(sql, params![hash, tx.now()], read).optional()?))
        .await
}

/// Counts one more of `key` in its window; `Err(wait)` inside `Ok` when there
/// have been `limit` already, with how long to wait.
///
/// # Errors
/// When it cannot be written.
pub async fn take(
    ttl: &Ttl,
    key: String,
    limit: u32,
    window: Duration,
) -> Result<Result<(), Duration>, Error> {
    let sql = "INSERT INTO rate_limits (key, count, expires_at) VALUES (?1, 1, ?3) \
               ON CONFLICT (key) DO UPDATE SET \
               count = CASE WHEN expires_at <= ?2 THEN 1 ELSE count + 1 END, \
               expires_at = CASE WHEN expires_at <= ?2 THEN ?3 ELSE expires_at END \
               RETURNING count, expires_at";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, Instant>(1)?));
    ttl.writer()
        .write(move |tx| {
            let row = params![key, tx.now(), tx.now().plus(window)];
            let (count, ends) = tx.conn().prepare_cached(sql)?.query_row(row, read)?;
            Ok(if count <= limit { Ok(()) } else { Err(ends.since(tx.now())) })
        })
        .await
}

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The id that the result has, or will have: the same at each retry.
    Id(Uuid),
    /// The key was used for another request.
    OtherRequest,
}

/// Reserves an `Idempotency-Key` for a request (by its hash). The first use
/// takes `fresh` as the id of its result; a retry gets the first one's.
///
/// # Errors
/// When it cannot be written.
pub async fn reserve(
    ttl: &Ttl,
    key: String,
    request: String,
    fresh: Uuid,
) -> Result<Reserved, Error> {
    let insert = "INSERT INTO idempotency_keys (key, request, result_id, expires_at) \
                  VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING";
    let select = "SELECT request, result_id FROM idempotency_keys WHERE key = ?1";
    ttl.writer()
        .write(move |tx| {
            let ends = tx.now().plus(KEY_LIFE);
            tx.conn().execute(insert, params![key, request, fresh.to_string(), ends])?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get::<_, String>(0)?, uuid(row.get_ref(1)?.as_str()?)?))
            };
            let (known, id) = tx.conn().query_row(select, [&key], read)?;
            Ok(if known == request { Reserved::Id(id) } else { Reserved::OtherRequest })
        })
        .await
}

/// Keeps for a day whose windows are told of the admin's word on a comment.
///
/// # Errors
/// When it cannot be written.
pub async fn keep_page(ttl: &Ttl, comment: Uuid, page: PageSession) -> Result<(), Error> {
    let sql = "INSERT INTO comment_pages (comment, page, expires_at) VALUES (?1, ?2, ?3) \
               ON CONFLICT (comment) DO NOTHING";
    ttl.writer()
        .write(move |tx| {
            let row = params![comment.to_string(), page.to_string(), tx.now().plus(PAGE_LIFE)];
            tx.conn().execute(sql, row)?;
            Ok(())
        })
        .await
}

/// Whose windows those are, while it is known.
///
/// # Errors
/// When it cannot be read.
pub async fn page_of(ttl: &Ttl, comment: Uuid) -> Result<Option<PageSession>, Error> {
    let sql = "SELECT page FROM comment_pages WHERE comment = ?1 AND expires_at > ?2";
    ttl.readers()
        .read(move |conn| {
            let row = params![comment.to_string(), Instant::now()];
            let page: Option<String> = conn.query_row(sql, row, |row| row.get(0)).optional()?;
            Ok(page.and_then(|page| page.parse().ok()))
        })
        .await
}

/// The salt of the day of `at`, made at first use: 32 random bytes, the same
/// for every process.
///
/// # Errors
/// When it cannot be read or written.
pub async fn salt(ttl: &Ttl, at: Instant, fresh: [u8; 32]) -> Result<Vec<u8>, Error> {
    let insert = "INSERT INTO salts (day, salt, expires_at) VALUES (?1, ?2, ?3) \
                  ON CONFLICT (day) DO NOTHING";
    let day = at.millis().div_euclid(DAY_MS);
    ttl.writer()
        .write(move |tx| {
            let ends = (day + SALT_LIFE_DAYS) * DAY_MS;
            tx.conn().execute(insert, params![day, fresh, ends])?;
            let select = "SELECT salt FROM salts WHERE day = ?1";
            Ok(tx.conn().query_row(select, [day], |row| row.get(0))?)
        })
        .await
}

/// Deletes everything whose end has come; gives how many rows. It is
/// overwritten in the file, and the log that still holds it is emptied.
///
/// # Errors
/// When it cannot be deleted.
pub async fn forget_expired(ttl: &Ttl) -> Result<usize, Error> {
    forget_expired_at(ttl, Instant::now()).await
}

async fn forget_expired_at(ttl: &Ttl, now: Instant) -> Result<usize, Error> {
    const TABLES: [&str; 7] = [
        "sessions",
        "signin_codes",
        "signin_links",
        "salts",
        "rate_limits",
        "idempotency_keys",
        "comment_pages",
    ];
    let delete = move |tx: &Tx<'_>| {
        let mut forgotten = 0;
        for table in TABLES {
            let sql = format!("DELETE FROM {table} WHERE expires_at <= ?1");
            forgotten += tx.conn().execute(&sql, [now])?;
        }
        Ok::<_, Error>(forgotten)
    };
    let forgotten = ttl.writer().write(delete).await?;
    empty_log(ttl).await?;
    Ok(forgotten)
}

/// Moves the log into the file and truncates it. While somebody reads an older
/// state it stays, until the next time.
async fn empty_log(ttl: &Ttl) -> Result<(), Error> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    ttl.readers().read(move |conn| Ok(conn.query_row(sql, [], |_| Ok(()))?)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(dir: &std::path::Path, needle: &[u8]) -> bool {
        let files = ["ttl.db", "ttl.db-wal"].map(|name| std::fs::read(dir.join(name)).unwrap());
        files.iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    }

    #[tokio::test]
    async fn a_salt_is_in_no_file_after_its_second_day() {
        let dir = std::env::temp_dir().join(format!("ttl-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Ttl::prepare(&dir).unwrap();
        let ttl = Ttl::open(&dir).unwrap();
        let fresh = *b"salted with thirty-two bytes....";
        let noon = |day: i64| Instant::from_millis(day * DAY_MS + DAY_MS / 2);
        salt(&ttl, noon(1), fresh).await.unwrap();
        let kept = (forget_expired_at(&ttl, noon(2)).await.unwrap(), holds(&dir, &fresh));
        let gone = (forget_expired_at(&ttl, noon(3)).await.unwrap(), holds(&dir, &fresh));
        std::fs::remove_dir_all(dir).unwrap();
        assert_eq!((kept, gone), ((0, true), (1, false)));
    }
}
