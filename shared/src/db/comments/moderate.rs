//! Comments as the admin sees and decides on them.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::{COLUMNS, Comment, CommentStatus, TABLES, comment, select, tell, tell_author};
use crate::db::{Data, Error, Page, outbox};
use crate::events::Event;
use crate::recipient::PageSession;

/// What an author is told of a comment that the admin does not want.
const REFUSED: &str = "the site's admin did not accept it";

const MODERATED: &str = "email, reason, posts.title";

/// The admin's word on a comment; `None` when there is none of that id.
///
/// A comment that was not checked yet (no HTML) only has its verdict changed
/// once the worker has rendered it, so it is refused as unknown until then. The
/// windows of its author, if it is known which they are, are told.
///
/// # Errors
/// When it cannot be written.
pub async fn moderate(
    data: &Data,
    id: Uuid,
    status: CommentStatus,
    author: Option<PageSession>,
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
            let comment = select(tx.conn(), id)?;
            if let Some((comment, author)) = comment.as_ref().zip(author) {
                let reason = (status == CommentStatus::Rejected).then_some(REFUSED);
                tell_author(tx, author, (comment, status), reason, cause)?;
            }
            Ok(comment)
        })
        .await
}

/// Deletes a comment and tells those who watch that it is gone; false when there
/// is none of that id. Answers to it become answers to what it answered.
///
/// # Errors
/// When it cannot be written.
pub async fn delete(
    data: &Data,
    id: Uuid,
    author: Option<PageSession>,
    cause: Uuid,
) -> Result<bool, Error> {
    let raise = "UPDATE comments SET parent_id = ?2 WHERE parent_id = ?1";
    data.writer()
        .write(move |tx| {
            let Some(mut comment) = select(tx.conn(), id)? else {
                return Ok(false);
            };
            if let Some(author) = author {
                let status = CommentStatus::Rejected;
                tell_author(tx, author, (&comment, status), Some(REFUSED), cause)?;
            }
            let (id, parent) = (id.to_string(), comment.parent.map(|parent| parent.to_string()));
            tx.conn().execute(raise, params![id, parent])?;
            tx.conn().execute("DELETE FROM comments WHERE id = ?1", [id])?;
            comment.status = CommentStatus::Rejected;
            outbox::event(tx, &Event::comment(&comment, cause))?;
            Ok(true)
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
