//! Comments: accepted by `web`, judged by `worker`, moderated by the admin.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Page, Tx, outbox, uuid};
use crate::events::Event;
use crate::jobs::comments::CheckComment;
use crate::time::Instant;

/// Who may read a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommentStatus {
    /// Not checked yet, or held for the admin.
    Pending,
    /// Everyone.
    Approved,
    /// Nobody.
    Rejected,
}

impl CommentStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected].into_iter().find(|s| s.as_str() == text)
    }
}

/// A comment, as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// UUIDv7.
    pub id: Uuid,
    /// Slug of its post.
    pub post: String,
    /// The comment it answers.
    pub parent: Option<Uuid>,
    /// Name that the author gave.
    pub author: String,
    /// Markdown, as it was typed.
    pub body: String,
    /// Rendered and sanitised; empty until it was checked.
    pub html: String,
    /// Who may read it.
    pub status: CommentStatus,
    /// When it was accepted.
    pub created_at: Instant,
    /// Whether the admin wrote it.
    #[serde(default)]
    pub by_admin: bool,
}

impl Comment {
    /// What may be told to everyone: a comment that is not approved is an id
    /// and a status.
    #[must_use]
    pub fn for_everyone(mut self) -> Self {
        if self.status != CommentStatus::Approved {
            self.author.clear();
            self.body.clear();
            self.html.clear();
        }
        self
    }
}

/// A comment on its way in.
#[derive(Debug, Clone)]
pub struct NewComment {
    /// Chosen by the caller, so that a retry is the same comment.
    pub id: Uuid,
    /// Slug of its post.
    pub post: String,
    /// The comment it answers.
    pub parent: Option<Uuid>,
    /// Name that the author gave.
    pub author: String,
    /// Address for answers; never shown.
    pub email: Option<String>,
    /// Markdown.
    pub body: String,
    /// Written by the admin: approved at once.
    pub trusted: bool,
    /// Salted hash of the visitor.
    pub visitor: Option<String>,
}

/// Why a comment was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is no such post to read.
    #[error("there is no post {0:?}")]
    UnknownPost(String),
    /// The comment it answers is not there.
    #[error("the comment that this one answers ({0}) is not on this post")]
    UnknownParent(Uuid),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

const COLUMNS: &str = "comments.id, slug, parent_id, author, body, comments.html, \
                       comments.status, comments.created_at, trusted";
/// What [`moderated_row`] reads after [`COLUMNS`].
const MODERATED: &str = "email, reason, posts.title";
const TABLES: &str = "comments JOIN posts ON posts.id = comments.post_id";

fn comment(row: &rusqlite::Row<'_>) -> rusqlite::Result<Comment> {
    let parent: Option<String> = row.get(2)?;
    let status: String = row.get(6)?;
    Ok(Comment {
        id: uuid(row.get_ref(0)?.as_str()?)?,
        post: row.get(1)?,
        parent: parent.map(|id| uuid(&id)).transpose()?,
        author: row.get(3)?,
        body: row.get(4)?,
        html: row.get(5)?,
        status: CommentStatus::parse(&status).unwrap_or(CommentStatus::Pending),
        created_at: row.get(7)?,
        by_admin: row.get(8)?,
    })
}

fn select(conn: &rusqlite::Connection, id: Uuid) -> Result<Option<Comment>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE comments.id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([id.to_string()], comment).optional()?)
}

/// Accepts a comment: it is kept as pending, and its check leaves through the
/// outbox in the same transaction. The same id twice is one comment.
///
/// # Errors
/// When its post or its parent is not there, or the database's.
pub async fn accept(data: &Data, new: NewComment, cause: Uuid) -> Result<Comment, AcceptError> {
    data.writer().write(move |tx| accept_in(tx, &new, cause)).await
}

fn accept_in(tx: &Tx<'_>, new: &NewComment, cause: Uuid) -> Result<Comment, AcceptError> {
    if let Some(known) = select(tx.conn(), new.id)? {
        return Ok(known);
    }
    let post = public_post(tx, &new.post)?;
    let post = post.ok_or_else(|| AcceptError::UnknownPost(new.post.clone()))?;
    if let Some(parent) = new.parent {
        check_parent(tx, parent, &new.post)?;
    }
    insert(tx, new, &post)?;
    outbox::job(tx, CheckComment { comment: new.id }, cause)?;
    let kept = select(tx.conn(), new.id)?;
    kept.ok_or_else(|| AcceptError::UnknownPost(new.post.clone()))
}

fn public_post(tx: &Tx<'_>, slug: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT id FROM posts WHERE slug = ?1 AND status = 'published'";
    Ok(tx.conn().prepare_cached(sql)?.query_row([slug], |row| row.get(0)).optional()?)
}

/// One that is still being checked may be answered: who sends two in a row has
/// only the id of the first.
fn check_parent(tx: &Tx<'_>, parent: Uuid, post: &str) -> Result<(), AcceptError> {
    match select(tx.conn(), parent)? {
        Some(found) if found.post == post && found.status != CommentStatus::Rejected => Ok(()),
        _ => Err(AcceptError::UnknownParent(parent)),
    }
}

fn insert(tx: &Tx<'_>, new: &NewComment, post: &str) -> Result<(), Error> {
    let sql = "INSERT INTO comments (id, post_id, parent_id, author, email, body, html, status, \
               trusted, visitor, created_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', 'pending', ?7, ?8, ?9)";
    let NewComment { id, parent, author, email, body, trusted, visitor, .. } = new;
    let (id, parent) = (id.to_string(), parent.map(|id| id.to_string()));
    let row = params![id, post, parent, author, email, body, trusted, visitor, tx.now()];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What the rules look at when a comment is judged.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The comment.
    pub comment: Comment,
    /// Written by the admin.
    pub trusted: bool,
    /// Whether it was judged before; it keeps its status then.
    pub checked: bool,
    /// Whether another comment of the last day has the same text.
    pub same_text: bool,
    /// Comments of the last ten minutes by the same visitor, this one aside.
    pub same_visitor: i64,
    /// Whether a comment of the same author and e-mail was approved before.
    pub known_author: bool,
}

/// Gathers the evidence; `None` when the comment is gone.
///
/// # Errors
/// When it cannot be read.
pub fn evidence(tx: &Tx<'_>, id: Uuid) -> Result<Option<Evidence>, Error> {
    let Some(comment) = select(tx.conn(), id)? else {
        return Ok(None);
    };
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Evidence {
            comment,
            trusted: row.get(0)?,
            checked: row.get(1)?,
            same_text: row.get(2)?,
            same_visitor: row.get(3)?,
            known_author: row.get(4)?,
        })
    };
    let mut statement = tx.conn().prepare_cached(EVIDENCE)?;
    Ok(statement.query_row(params![id.to_string(), tx.now()], read).optional()?)
}

/// Each part is an index search: the beginning of the text stands for it, as
/// an index of whole texts would be as large as the texts.
const EVIDENCE: &str = "SELECT trusted, checked_at IS NOT NULL, \
    EXISTS (SELECT 1 FROM comments AS o WHERE substr(o.body, 1, 64) = substr(c.body, 1, 64) \
     AND o.created_at > ?2 - 86400000 AND o.body = c.body AND o.id <> c.id), \
    (SELECT count(*) FROM comments AS o WHERE o.visitor = c.visitor AND o.id <> c.id \
     AND o.created_at > ?2 - 600000), \
    EXISTS (SELECT 1 FROM comments AS o WHERE o.author = c.author AND o.email = c.email \
     AND o.status = 'approved' AND o.id <> c.id) \
    FROM comments AS c WHERE c.id = ?1";

/// Writes the verdict of the check and tells it.
///
/// # Errors
/// When it cannot be written.
pub fn judge(
    tx: &Tx<'_>,
    id: Uuid,
    html: &str,
    status: CommentStatus,
    reason: Option<&str>,
    cause: Uuid,
) -> Result<(), Error> {
    let sql = "UPDATE comments SET html = ?2, status = ?3, reason = ?4, checked_at = ?5 \
               WHERE id = ?1";
    let row = params![id.to_string(), html, status.as_str(), reason, tx.now()];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    tell(tx, id, cause)
}

fn tell(tx: &Tx<'_>, id: Uuid, cause: Uuid) -> Result<(), Error> {
    let Some(comment) = select(tx.conn(), id)? else {
        return Ok(());
    };
    outbox::event(tx, &Event::comment(&comment, cause))
}

/// The admin's word on a comment; `None` when there is none of that id.
///
/// A comment that was not checked yet (no HTML) only has its verdict changed
/// once the worker has rendered it, so it is refused as unknown until then.
///
/// # Errors
/// When it cannot be written.
pub async fn moderate(
    data: &Data,
    id: Uuid,
    status: CommentStatus,
    cause: Uuid,
) -> Result<Option<Comment>, Error> {
    let sql = "UPDATE comments SET status = ?2, reason = 'by the admin' \
               WHERE id = ?1 AND checked_at IS NOT NULL";
    data.writer()
        .write(move |tx| {
            let changed = tx.conn().execute(sql, params![id.to_string(), status.as_str()])?;
            if changed == 0 {
                return Ok(None);
            }
            tell(tx, id, cause)?;
            select(tx.conn(), id)
        })
        .await
}

/// Deletes a comment and tells those who watch that it is gone; false when there
/// is none of that id. Answers to it become answers to what it answered.
///
/// # Errors
/// When it cannot be written.
pub async fn delete(data: &Data, id: Uuid, cause: Uuid) -> Result<bool, Error> {
    let raise = "UPDATE comments SET parent_id = ?2 WHERE parent_id = ?1";
    data.writer()
        .write(move |tx| {
            let Some(mut comment) = select(tx.conn(), id)? else {
                return Ok(false);
            };
            let (id, parent) = (id.to_string(), comment.parent.map(|parent| parent.to_string()));
            tx.conn().execute(raise, params![id, parent])?;
            tx.conn().execute("DELETE FROM comments WHERE id = ?1", [id])?;
            comment.status = CommentStatus::Rejected;
            outbox::event(tx, &Event::comment(&comment, cause))?;
            Ok(true)
        })
        .await
}

/// Approved comments of a post, oldest first.
///
/// # Errors
/// When they cannot be read.
pub async fn of_post(data: &Data, slug: String) -> Result<Vec<Comment>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE slug = ?1 AND comments.status = 'approved' \
         ORDER BY comments.created_at, comments.id"
    );
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            Ok(statement.query_map([slug], comment)?.collect::<Result<_, _>>()?)
        })
        .await
}

/// How many approved comments each of these posts has; posts without any are
/// left out.
///
/// # Errors
/// When they cannot be read.
pub async fn counts(data: &Data) -> Result<std::collections::HashMap<String, i64>, Error> {
    let sql = "SELECT slug, count(*) FROM comments JOIN posts ON posts.id = post_id \
               WHERE comments.status = 'approved' GROUP BY slug";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// A comment as the admin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moderated {
    /// The comment.
    #[serde(flatten)]
    pub comment: Comment,
    /// Address that the author gave.
    pub email: Option<String>,
    /// Why it is held or rejected.
    pub reason: Option<String>,
    /// Title of its post.
    pub post_title: String,
}

fn moderated_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Moderated> {
    Ok(Moderated {
        comment: comment(row)?,
        email: row.get(9)?,
        reason: row.get(10)?,
        post_title: row.get(11)?,
    })
}

/// One comment as the admin sees it.
///
/// # Errors
/// When it cannot be read.
pub async fn moderated(data: &Data, id: Uuid) -> Result<Option<Moderated>, Error> {
    let sql = format!("SELECT {COLUMNS}, {MODERATED} FROM {TABLES} WHERE comments.id = ?1");
    let id = id.to_string();
    data.readers()
        .read(move |conn| {
            Ok(conn.prepare_cached(&sql)?.query_row([id], moderated_row).optional()?)
        })
        .await
}

/// Comments of a status (or of any), newest first. Those not checked yet are
/// left out: there is nothing to decide.
///
/// # Errors
/// When they cannot be read.
pub async fn list(
    data: &Data,
    status: Option<CommentStatus>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Moderated>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}, {MODERATED} FROM {TABLES} \
         WHERE (?1 IS NULL OR comments.status = ?1) AND checked_at IS NOT NULL \
         AND (?2 IS NULL OR comments.id < ?2) ORDER BY comments.id DESC LIMIT ?3"
    );
    let status = status.map(CommentStatus::as_str);
    let rows = data.readers().read(move |conn| {
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![status, after, limit as i64 + 1], moderated_row)?;
        Ok::<_, Error>(rows.collect::<Result<Vec<_>, _>>()?)
    });
    Ok(Page::cut(rows.await?, limit, |row| row.comment.id.to_string()))
}

/// How many comments wait for the admin.
///
/// # Errors
/// When they cannot be counted.
pub async fn waiting(data: &Data) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM comments WHERE status = 'pending' AND checked_at IS NOT NULL";
    data.readers().read(move |conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).await
}

/// A comment, whatever its status.
///
/// # Errors
/// When it cannot be read.
pub async fn get(data: &Data, id: Uuid) -> Result<Option<Comment>, Error> {
    data.readers().read(move |conn| select(conn, id)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_find_other_comments_by_an_index() {
        let dir = std::env::temp_dir().join(format!("comments-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let conn = rusqlite::Connection::open(dir.join("data.db")).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {EVIDENCE}")).unwrap();
        let steps = statement.query_map(params!["", 0], |row| row.get("detail")).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        std::fs::remove_dir_all(dir).unwrap();
        for index in ["comments_by_text", "comments_by_visitor", "comments_by_author"] {
            assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:?}");
        }
        assert!(!steps.iter().any(|step| step.contains("SCAN o")), "{steps:?}");
    }
}
