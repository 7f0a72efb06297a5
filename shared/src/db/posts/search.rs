//! The search over posts.

use rusqlite::params;

use super::{COLUMNS, Post, post};
use crate::db::{Data, Error};

/// Published posts that hold all words of `query`, best first.
///
/// # Errors
/// When they cannot be read.
pub async fn search(data: &Data, query: &str, limit: usize) -> Result<Vec<Post>, Error> {
    let Some(words) = fts_query(query) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM posts_text JOIN posts ON posts.id = post_id \
         WHERE posts_text MATCH ?1 AND status = 'published' \
         ORDER BY bm25(posts_text, 0.0, 4.0, 1.0) LIMIT ?2"
    );
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map(params![words, limit as i64], post)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Each word quoted, so that a visitor's text is never FTS syntax; the last
/// one also matches as a beginning.
fn fts_query(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(16)
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| format!("{}*", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_can_never_be_fts_syntax() {
        assert_eq!(fts_query("a OR \"b* (c"), Some("\"a\" \"OR\" \"b\" \"c\"*".to_owned()));
        assert_eq!(fts_query("  ?* "), None);
    }
}
