//! Posts as their author changes them.

use rusqlite::{params, params_from_iter};
use uuid::Uuid;

use super::{Post, PostDraft, PostStatus, select};
use crate::db::{Data, Error, Tx, outbox, users};
use crate::events::UserNews;
use crate::jobs::enqueue::Enqueue;
use crate::jobs::posts::PublishPost;
use crate::markdown::Rendered;
use crate::time::Instant;

/// Why a post was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another post has the address.
    #[error("another post has the slug {0:?}; choose another")]
    SlugTaken(String),
    /// There is no post of that address.
    #[error("there is no post {0:?}")]
    Unknown(String),
    /// It was changed since it was read.
    #[error("the post has changed meanwhile: it is at version {current} now; read it again")]
    Changed {
        /// Its version now.
        current: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Saves a new post.
///
/// # Errors
/// [`SaveError::SlugTaken`], or the database's.
pub async fn create(
    data: &Data,
    draft: PostDraft,
    html: Rendered,
    cause: Uuid,
) -> Result<Post, SaveError> {
    data.writer()
        .write(move |tx| {
            if select(tx.conn(), &draft.slug)?.is_some() {
                return Err(SaveError::SlugTaken(draft.slug));
            }
            let id = Uuid::now_v7();
            insert_bare(tx, id, &draft.slug)?;
            save(tx, id, &draft, &html, cause)
        })
        .await
}

/// Saves a post anew. `seen` is the version that the author changed; `None`
/// overwrites whatever is there. What changes nothing is no new version. All
/// windows of the admin are told.
///
/// # Errors
/// Any [`SaveError`].
pub async fn update(
    data: &Data,
    slug: String,
    draft: PostDraft,
    html: Rendered,
    seen: Option<i64>,
    cause: Uuid,
) -> Result<Post, SaveError> {
    data.writer()
        .write(move |tx| {
            let old = current(tx, slug, seen)?;
            if draft.slug != old.slug && select(tx.conn(), &draft.slug)?.is_some() {
                return Err(SaveError::SlugTaken(draft.slug));
            }
            if says(&old, &draft, tx.now()) && old.html == html.html {
                return Ok(old);
            }
            let saved = save(tx, old.id, &draft, &html, cause)?;
            let (title, version) = (saved.title.clone(), saved.version);
            users::tell_admins(tx, &UserNews::PostSaved { slug: old.slug, title, version }, cause)?;
            Ok(saved)
        })
        .await
}

/// Deletes a post with its comments.
///
/// # Errors
/// Any [`SaveError`].
pub async fn delete(data: &Data, slug: String, seen: Option<i64>) -> Result<(), SaveError> {
    data.writer()
        .write(move |tx| {
            let id = current(tx, slug, seen)?.id.to_string();
            tx.conn()
                .execute("DELETE FROM posts_text WHERE post_id = ?1", [&id])
                .map_err(Error::from)?;
            tx.conn().execute("DELETE FROM posts WHERE id = ?1", [&id]).map_err(Error::from)?;
            Ok(())
        })
        .await
}

/// The post as it stands, when it is the version that was seen.
fn current(tx: &Tx<'_>, slug: String, seen: Option<i64>) -> Result<Post, SaveError> {
    let post = select(tx.conn(), &slug)?.ok_or(SaveError::Unknown(slug))?;
    match seen {
        Some(version) if version != post.version => {
            Err(SaveError::Changed { current: post.version })
        }
        _ => Ok(post),
    }
}

fn insert_bare(tx: &Tx<'_>, id: Uuid, slug: &str) -> Result<(), Error> {
    let sql = "INSERT INTO posts (id, slug, title, markdown, html, excerpt, words, status, \
               created_at, updated_at, version) VALUES (?1, ?2, '', '', '', '', 0, 'draft', ?3, ?3, 0)";
    tx.conn().execute(sql, params![id.to_string(), slug, tx.now()])?;
    Ok(())
}

fn save(
    tx: &Tx<'_>,
    id: Uuid,
    draft: &PostDraft,
    html: &Rendered,
    cause: Uuid,
) -> Result<Post, SaveError> {
    let sql = "UPDATE posts SET slug = ?2, title = ?3, markdown = ?4, html = ?5, excerpt = ?6, \
               words = ?7, status = ?8, publish_at = ?9, updated_at = ?10, version = version + 1, \
               published_at = CASE WHEN ?8 = 'published' \
                                   THEN coalesce(?9, published_at, ?10) END \
               WHERE id = ?1";
    let key = id.to_string();
    let status = draft.status.as_str();
    let Rendered { html, excerpt, words } = html;
    let PostDraft { slug, title, markdown, .. } = draft;
    let publish_at = kept_date(draft, tx.now());
    let row =
        params![key, slug, title, markdown, html, excerpt, words, status, publish_at, tx.now()];
    tx.conn().execute(sql, row).map_err(Error::from)?;
    save_tags(tx, &key, &draft.tags)?;
    save_text(tx, &key, draft)?;
    if let (PostStatus::Scheduled, Some(due)) = (draft.status, draft.publish_at) {
        outbox::enqueue(tx, Enqueue::new(PublishPost { post: id }, cause).at(due))?;
    }
    let saved = select(tx.conn(), &draft.slug)?;
    saved.ok_or_else(|| SaveError::Unknown(draft.slug.clone()))
}

/// A post that is public now is not of a day to come.
fn kept_date(draft: &PostDraft, now: Instant) -> Option<Instant> {
    let public = draft.status == PostStatus::Published;
    draft.publish_at.filter(|at| !public || *at <= now)
}

/// Whether a post is what its author says already.
fn says(post: &Post, draft: &PostDraft, now: Instant) -> bool {
    let mut tags = draft.tags.clone();
    tags.sort();
    let texts = (&post.slug, &post.title, &post.markdown);
    texts == (&draft.slug, &draft.title, &draft.markdown)
        && post.tags == tags
        && (post.status, post.publish_at) == (draft.status, kept_date(draft, now))
}

fn save_tags(tx: &Tx<'_>, id: &str, tags: &[String]) -> Result<(), Error> {
    tx.conn().execute("DELETE FROM post_tags WHERE post_id = ?1", [id])?;
    let sql = "INSERT INTO post_tags (post_id, tag) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    for tag in tags {
        tx.conn().execute(sql, [id, tag])?;
    }
    Ok(())
}

fn save_text(tx: &Tx<'_>, id: &str, draft: &PostDraft) -> Result<(), Error> {
    tx.conn().execute("DELETE FROM posts_text WHERE post_id = ?1", [id])?;
    let sql = "INSERT INTO posts_text (post_id, title, markdown) VALUES (?1, ?2, ?3)";
    tx.conn().execute(sql, params_from_iter([id, &draft.title, &draft.markdown]))?;
    Ok(())
}

/// Makes a scheduled post public when its time has come. A post that was
/// rescheduled since is left alone: its own job comes later.
///
/// # Errors
/// When it cannot be written.
pub fn publish_due(tx: &Tx<'_>, id: Uuid) -> Result<bool, Error> {
    let sql = "UPDATE posts SET status = 'published', published_at = publish_at, \
               updated_at = ?2, version = version + 1 \
               WHERE id = ?1 AND status = 'scheduled' AND publish_at <= ?2";
    Ok(tx.conn().execute(sql, params![id.to_string(), tx.now()])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_changes_nothing_is_no_new_version() {
        let dir = std::env::temp_dir().join(format!("posts-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Data::prepare(&dir).unwrap();
        let data = Data::open(&dir).unwrap();
        let draft = PostDraft {
            slug: "a".to_owned(),
            title: "A".to_owned(),
            markdown: "text".to_owned(),
            tags: vec!["two".to_owned(), "one".to_owned()],
            status: PostStatus::Published,
            publish_at: Some(Instant::now().plus(std::time::Duration::from_secs(60))),
        };
        let html = crate::markdown::render_post(&draft.markdown);
        let cause = Uuid::now_v7();
        let first = create(&data, draft.clone(), html.clone(), cause).await.unwrap();
        let save = async |draft: &PostDraft| {
            let (slug, html) = (first.slug.clone(), html.clone());
            update(&data, slug, draft.clone(), html, None, cause).await.unwrap()
        };
        assert_eq!(save(&draft).await, first);
        let retitled = PostDraft { title: "B".to_owned(), ..draft };
        assert_eq!(save(&retitled).await.version, first.version + 1);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
