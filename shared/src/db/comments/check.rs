//! The check of a comment: what the rules look at, and their verdict.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{Comment, CommentStatus, select, tell};
use crate::db::{Error, Tx};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Data;

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
