//! Comments: accepted by `web`, judged by `worker`, moderated by the admin.

mod check;
mod moderate;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Tx, outbox, uuid};
use crate::events::{Event, UserNews};
use crate::jobs::comments::CheckComment;
use crate::recipient::{PageSession, Recipient};
use crate::time::Instant;

pub use check::{Evidence, evidence, judge};
pub use moderate::{Moderated, delete, list, moderate, moderated, waiting};

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
    /// Whose windows are told what becomes of it.
    pub page: Option<PageSession>,
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
    let page = new.page.clone();
    outbox::job(tx, CheckComment { comment: new.id, page }, cause)?;
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

/// Tells those who watch how a comment is now.
fn tell(tx: &Tx<'_>, id: Uuid, cause: Uuid) -> Result<(), Error> {
    let Some(comment) = select(tx.conn(), id)? else {
        return Ok(());
    };
    outbox::event(tx, &Event::comment(&comment, cause))
}

/// Tells the windows of a comment's author what became of it, and why it was
/// refused.
///
/// # Errors
/// When it cannot be written.
pub fn tell_author(
    tx: &Tx<'_>,
    to: PageSession,
    (comment, status): (&Comment, CommentStatus),
    reason: Option<&str>,
    cause: Uuid,
) -> Result<(), Error> {
    let (id, post, reason) = (comment.id, comment.post.clone(), reason.map(str::to_owned));
    let told = UserNews::Comment { id, post, status, reason };
    outbox::event(tx, &Event::user(&Recipient::Page(to), &told, cause))
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

/// A comment, whatever its status.
///
/// # Errors
/// When it cannot be read.
pub async fn get(data: &Data, id: Uuid) -> Result<Option<Comment>, Error> {
    data.readers().read(move |conn| select(conn, id)).await
}
