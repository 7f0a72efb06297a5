//! What follows from a restore: the database is of an earlier moment than NATS.
//!
//! A restored database says of itself that it was restored. What it has sent before that
//! moment may be done and gone: its effect is not in the database, and no message brings it
//! again. So jobs that stand in its outbox go out under new ids, since NATS may know the old
//! ones; and what waits for a job that is nowhere gets another. A job that is there twice
//! for it is done once: what it does to a comment, a post or an image that is done already
//! is nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use uuid::Uuid;

use super::{Data, Error, Tx, alerts, outbox, pauses, uuid};
use crate::events::AlertLevel;
use crate::jobs::comments::CheckComment;
use crate::jobs::enqueue::Enqueue;
use crate::jobs::images::MakeVariants;
use crate::jobs::posts::PublishPost;
use crate::time::Instant;

/// The row of `settings` that says when the database was restored.
const MARK: &str = "restored_at";

/// Jobs that are on their way: in the outbox, or in NATS.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Their ids, and those of what they are about.
    ids: HashSet<String>,
    /// Whether each queue that NATS knows is paused.
    paused: BTreeMap<String, bool>,
}

impl Held {
    /// Of a NATS that knows these queues, paused or not.
    #[must_use]
    pub fn of(paused: BTreeMap<String, bool>) -> Self {
        Self { paused, ..Self::default() }
    }

    /// Takes note of a message: one job, or a pack.
    pub fn note(&mut self, body: &[u8]) {
        if let Ok(message) = serde_json::from_slice(body) {
            self.note_value(&message);
        }
    }

    fn note_value(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.len() == UUID_LENGTH => {
                self.ids.insert(text.clone());
            }
            Value::Array(values) => values.iter().for_each(|value| self.note_value(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.note_value(value)),
            _ => {}
        }
    }

    fn holds(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

const UUID_LENGTH: usize = 36;

/// What was put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Jobs of the outbox that go out under new ids.
    pub resent: usize,
    /// Comments that wait to be checked, and got a job.
    pub comments: usize,
    /// Images that wait for their variants, and got a job.
    pub images: usize,
    /// Posts that wait for their day, and got a job.
    pub posts: usize,
    /// Keys of unique jobs that are nowhere, which are free now.
    pub keys: usize,
    /// Batches that are open: of their jobs, those that were done since will not count.
    pub batches: usize,
    /// Queues that are paused, or go on, as NATS has it.
    pub pauses: usize,
}

impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resent, comments, images, posts, keys, batches, pauses } = self;
        write!(
            f,
            "{resent} jobs of the outbox go out under new ids; new jobs for {comments} comments, \
             {images} images and {posts} posts; {keys} keys of unique jobs freed; {batches} \
             batches open; {pauses} queues paused or not as NATS has it"
        )
    }
}

/// Has a restored database say so. Blocks.
pub(super) fn mark(conn: &Connection) -> Result<(), Error> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    conn.execute(sql, params![MARK, Instant::now().to_string()])?;
    Ok(())
}

/// When the database was restored, if that has not been reconciled.
///
/// # Errors
/// When it cannot be read.
pub async fn restored_at(data: &Data) -> Result<Option<String>, Error> {
    data.readers().read(marked).await
}

fn marked(conn: &Connection) -> Result<Option<String>, Error> {
    let sql = "SELECT value FROM settings WHERE name = ?1";
    Ok(conn.query_row(sql, [MARK], |row| row.get(0)).optional()?)
}

/// Puts right what a restore has left, raises an alert that says so, and takes the mark
/// away; all or nothing. `in_nats` are the jobs that NATS holds.
///
/// # Errors
/// When a row cannot be read or written.
pub async fn after_restore(data: &Data, in_nats: Held) -> Result<Reconciled, Error> {
    data.writer().write(move |tx| reconcile(tx, in_nats)).await
}

fn reconcile(tx: &Tx<'_>, mut held: Held) -> Result<Reconciled, Error> {
    let restored_at = marked(tx.conn())?.unwrap_or_default();
    note_outbox(tx, &mut held)?;
    let cause = Uuid::now_v7();
    let done = Reconciled {
        resent: rename(tx, cause)?,
        comments: comments(tx, &held, cause)?,
        images: images(tx, &held, cause)?,
        posts: posts(tx, &held, cause)?,
        keys: keys(tx, &held)?,
        batches: open_batches(tx)?,
        pauses: take_pauses(tx, &held)?,
    };
    let text = format!("the database was restored at {restored_at} and reconciled: {done}");
    alerts::raise(tx, AlertLevel::Warnings, &text, cause)?;
    tx.conn().execute("DELETE FROM settings WHERE name = ?1", [MARK])?;
    Ok(done)
}

fn note_outbox(tx: &Tx<'_>, held: &mut Held) -> Result<(), Error> {
    let mut statement = tx.conn().prepare("SELECT body FROM outbox WHERE subject LIKE 'jobs.%'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        held.note(row.get_ref(0)?.as_blob().unwrap_or_default());
    }
    Ok(())
}

/// An id that NATS knows is refused as a duplicate, also when its job is done and gone.
fn rename(tx: &Tx<'_>, cause: Uuid) -> Result<usize, Error> {
    let sql = "UPDATE outbox SET msg_id = msg_id || '.' || ?1 WHERE subject LIKE 'jobs.%'";
    Ok(tx.conn().execute(sql, [cause.to_string()])?)
}

fn comments(tx: &Tx<'_>, held: &Held, cause: Uuid) -> Result<usize, Error> {
    let waiting = orphans(tx, held, "SELECT id FROM comments WHERE checked_at IS NULL")?;
    for id in &waiting {
        outbox::job(tx, CheckComment { comment: uuid(id)?, page: None }, cause)?;
    }
    Ok(waiting.len())
}

fn images(tx: &Tx<'_>, held: &Held, cause: Uuid) -> Result<usize, Error> {
    let waiting = orphans(tx, held, "SELECT id FROM images WHERE status = 'queued'")?;
    for id in &waiting {
        let sql = "SELECT original FROM images WHERE id = ?1";
        let original = tx.conn().query_row(sql, [id], |row| row.get(0))?;
        outbox::job(tx, MakeVariants { image: uuid(id)?, original }, cause)?;
    }
    Ok(waiting.len())
}

fn posts(tx: &Tx<'_>, held: &Held, cause: Uuid) -> Result<usize, Error> {
    let sql = "SELECT id FROM posts WHERE status = 'scheduled' AND publish_at IS NOT NULL";
    let waiting = orphans(tx, held, sql)?;
    for id in &waiting {
        let sql = "SELECT publish_at FROM posts WHERE id = ?1";
        let due: Instant = tx.conn().query_row(sql, [id], |row| row.get(0))?;
        let publish = PublishPost { post: uuid(id)? };
        outbox::enqueue(tx, Enqueue::new(publish, cause).at(due))?;
    }
    Ok(waiting.len())
}

/// A key whose job is nowhere would be held for ever.
fn keys(tx: &Tx<'_>, held: &Held) -> Result<usize, Error> {
    let sql = "SELECT job_id FROM unique_jobs WHERE expires_at IS NULL";
    let gone = orphans(tx, held, sql)?;
    for id in &gone {
        tx.conn().execute("DELETE FROM unique_jobs WHERE job_id = ?1", [id])?;
    }
    Ok(gone.len())
}

fn open_batches(tx: &Tx<'_>) -> Result<usize, Error> {
    let sql = "SELECT count(*) FROM job_batches WHERE finished_at IS NULL";
    Ok(tx.conn().query_row(sql, [], |row| row.get(0))?)
}

/// NATS is later than the database: what it says of a pause was said last.
fn take_pauses(tx: &Tx<'_>, held: &Held) -> Result<usize, Error> {
    let mut taken = 0;
    for (queue, paused) in &held.paused {
        let known = pauses::get_in(tx.conn(), queue)?;
        if known.unwrap_or(false) != *paused {
            pauses::set_in(tx, queue, *paused)?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// The ids that no job on its way is about.
fn orphans(tx: &Tx<'_>, held: &Held, sql: &str) -> Result<Vec<String>, Error> {
    let mut statement = tx.conn().prepare(sql)?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(ids.into_iter().filter(|id| !held.holds(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_is_about_is_held_also_within_a_pack_and_a_result() {
        let mut held = Held::default();
        let [comment, image] = [Uuid::now_v7(), Uuid::now_v7()].map(|id| id.to_string());
        let pack = serde_json::json!([{"id": "x", "payload": {"comment": comment}}]);
        let result = serde_json::json!({"payload": {"job": {"payload": {"image": image}}}});
        held.note(pack.to_string().as_bytes());
        held.note(result.to_string().as_bytes());
        held.note(b"no JSON");
        assert!(held.holds(&comment) && held.holds(&image) && !held.holds("x"));
    }

    #[tokio::test]
    async fn what_waits_for_a_job_that_is_nowhere_gets_one_and_the_mark_goes() {
        let dir = std::env::temp_dir().join(format!("reconcile-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let [lost, held_image] = [Uuid::now_v7(), Uuid::now_v7()].map(|id| id.to_string());
        let ids = (lost.clone(), held_image.clone());
        let fill = move |tx: &Tx<'_>| -> Result<(), Error> {
            mark(tx.conn())?;
            let image = "INSERT INTO images (id, status, filename, alt, original, bytes, created_at) \
                         VALUES (?1, 'queued', 'a', '', 'originals/a', 1, 0)";
            tx.conn().execute(image, [&ids.0])?;
            tx.conn().execute(image, [&ids.1])?;
            let key = "INSERT INTO unique_jobs VALUES ('views', 'key', 'nowhere', NULL)";
            tx.conn().execute(key, [])?;
            Ok(())
        };
        data.writer().write(fill).await.unwrap();
        super::pauses::set(&data, "views".to_owned(), true).await.unwrap();
        let in_nats = [("views", false), ("mail", true), ("posts", false)];
        let mut in_nats = Held::of(in_nats.map(|(name, it)| (name.to_owned(), it)).into());
        in_nats.note(serde_json::json!({"payload": {"image": held_image}}).to_string().as_bytes());
        assert!(restored_at(&data).await.unwrap().is_some());
        let done = after_restore(&data, in_nats).await.unwrap();
        let after = restored_at(&data).await.unwrap();
        let paused = super::pauses::all(&data).await.unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(done, Reconciled { images: 1, keys: 1, pauses: 2, ..Reconciled::default() });
        assert_eq!((paused.get("views"), paused.get("mail")), (Some(&false), Some(&true)));
        assert_eq!(after, None);
    }
}
