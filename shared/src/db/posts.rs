//! Posts, their tags and the search over them.

use std::str::FromStr;

use rusqlite::{OptionalExtension, params, params_from_iter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Page, Tx, outbox, uuid};
use crate::jobs::enqueue::Enqueue;
use crate::jobs::posts::PublishPost;
use crate::markdown::Rendered;
use crate::time::Instant;

/// Whether a post is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostStatus {
    /// For the admin's eyes.
    Draft,
    /// For everyone.
    Published,
    /// For everyone from `publish_at` on.
    Scheduled,
}

impl PostStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Scheduled => "scheduled",
        }
    }
}

impl FromStr for PostStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "draft" => Ok(Self::Draft),
            "published" => Ok(Self::Published),
            "scheduled" => Ok(Self::Scheduled),
            _ => Err(Error::Corrupt {
                value: text.to_owned(),
                expected: "draft, published or scheduled",
            }),
        }
    }
}

/// A post, as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    /// UUIDv7.
    pub id: Uuid,
    /// Its address under `/posts/`.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// What the author wrote.
    pub markdown: String,
    /// Rendered and sanitised; images are still `<img src="image:ID">`.
    pub html: String,
    /// Its beginning, as plain text.
    pub excerpt: String,
    /// Length, for the reading time.
    pub words: u32,
    /// Sorted.
    pub tags: Vec<String>,
    /// Whether it is to be read.
    pub status: PostStatus,
    /// When a scheduled post becomes public.
    pub publish_at: Option<Instant>,
    /// When it became public.
    pub published_at: Option<Instant>,
    /// When it was first saved.
    pub created_at: Instant,
    /// When it was last saved.
    pub updated_at: Instant,
    /// Counts its changes; its ETag.
    pub version: i64,
}

/// What an author says of a post; everything else follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostDraft {
    /// Its address under `/posts/`.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// What the author wrote.
    pub markdown: String,
    /// In any order.
    pub tags: Vec<String>,
    /// Whether it is to be read.
    pub status: PostStatus,
    /// Of a scheduled post; of a published one, the date it shows.
    pub publish_at: Option<Instant>,
}

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

/// Which posts a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this status.
    pub status: Option<PostStatus>,
    /// Only this tag.
    pub tag: Option<String>,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

const COLUMNS: &str = "posts.id, slug, posts.title, posts.markdown, html, excerpt, words, status, \
     publish_at, published_at, created_at, updated_at, version, \
     (SELECT coalesce(group_concat(tag, char(10) ORDER BY tag), '') \
      FROM post_tags WHERE post_id = posts.id)";

fn post(row: &rusqlite::Row<'_>) -> rusqlite::Result<Post> {
    let corrupt = |error| {
        rusqlite::Error::FromSqlConversionFailure(7, rusqlite::types::Type::Text, Box::new(error))
    };
    let tags: String = row.get(13)?;
    Ok(Post {
        id: uuid(row.get_ref(0)?.as_str()?)?,
        slug: row.get(1)?,
        title: row.get(2)?,
        markdown: row.get(3)?,
        html: row.get(4)?,
        excerpt: row.get(5)?,
        words: row.get(6)?,
        status: row.get_ref(7)?.as_str()?.parse().map_err(corrupt)?,
        publish_at: row.get(8)?,
        published_at: row.get(9)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
        version: row.get(12)?,
        tags: tags.split_terminator('\n').map(str::to_owned).collect(),
    })
}

/// The post of an address, whatever its status.
///
/// # Errors
/// When it cannot be read.
pub async fn get(data: &Data, slug: String) -> Result<Option<Post>, Error> {
    data.readers().read(move |conn| select(conn, &slug)).await
}

/// Which of these addresses are of published posts.
///
/// # Errors
/// When they cannot be read.
pub async fn published(data: &Data, slugs: Vec<String>) -> Result<Vec<String>, Error> {
    let sql = "SELECT slug FROM posts WHERE slug = ?1 AND status = 'published'";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let mut published = Vec::new();
            for slug in slugs {
                published.extend(statement.query_row([slug], |row| row.get(0)).optional()?);
            }
            Ok(published)
        })
        .await
}

fn select(conn: &rusqlite::Connection, slug: &str) -> Result<Option<Post>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE slug = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([slug], post).optional()?)
}

/// Posts, newest first.
///
/// # Errors
/// When they cannot be read.
pub async fn list(data: &Data, filter: Filter) -> Result<Page<Post>, Error> {
    let limit = filter.limit;
    let rows = data.readers().read(move |conn| select_page(conn, &filter)).await?;
    let cursor = |post: &Post| format!("{}_{}", date(post).millis(), post.id);
    Ok(Page::cut(rows, limit, cursor))
}

/// The date that orders a list.
fn date(post: &Post) -> Instant {
    post.published_at.or(post.publish_at).unwrap_or(post.created_at)
}

fn select_page(conn: &rusqlite::Connection, filter: &Filter) -> Result<Vec<Post>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM posts WHERE (?1 IS NULL OR status = ?1) \
         AND (?2 IS NULL OR posts.id IN (SELECT post_id FROM post_tags WHERE tag = ?2)) \
         AND (?3 IS NULL OR (coalesce(published_at, publish_at, created_at), posts.id) < (?3, ?4)) \
         ORDER BY coalesce(published_at, publish_at, created_at) DESC, posts.id DESC LIMIT ?5"
    );
    let (at, id) = match filter.after.as_deref().and_then(|cursor| cursor.split_once('_')) {
        Some((at, id)) => (at.parse::<i64>().ok(), id),
        None => (None, ""),
    };
    let status = filter.status.map(PostStatus::as_str);
    let mut statement = conn.prepare_cached(&sql)?;
    let row = params![status, filter.tag, at, id, filter.limit as i64 + 1];
    Ok(statement.query_map(row, post)?.collect::<Result<_, _>>()?)
}

/// Slug and title of the published posts next to `post`: the newer one, then
/// the older one.
///
/// # Errors
/// When they cannot be read.
pub async fn neighbours(
    data: &Data,
    post: &Post,
) -> Result<(Option<Neighbour>, Option<Neighbour>), Error> {
    let (at, id) = (date(post), post.id.to_string());
    let newer = "SELECT slug, title FROM posts WHERE status = 'published' \
                 AND (published_at, id) > (?1, ?2) ORDER BY published_at, id LIMIT 1";
    let older = "SELECT slug, title FROM posts WHERE status = 'published' \
                 AND (published_at, id) < (?1, ?2) ORDER BY published_at DESC, id DESC LIMIT 1";
    data.readers()
        .read(move |conn| {
            let one = |sql: &str| {
                let mut statement = conn.prepare_cached(sql)?;
                let row = params![at, id];
                statement.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            };
            Ok((one(newer)?, one(older)?))
        })
        .await
}

/// Slug and title of the posts that show an image, by title.
///
/// # Errors
/// When they cannot be read.
pub async fn with_image(data: &Data, image: Uuid) -> Result<Vec<Neighbour>, Error> {
    let sql = "SELECT slug, title FROM posts WHERE instr(html, 'image:' || ?1) > 0 ORDER BY title";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows =
                statement.query_map([image.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// Slug and title of a post.
pub type Neighbour = (String, String);

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

/// Every tag of a published post, with how many posts have it.
///
/// # Errors
/// When they cannot be read.
pub async fn tags(data: &Data) -> Result<Vec<(String, i64)>, Error> {
    let sql = "SELECT tag, count(*) FROM post_tags JOIN posts ON posts.id = post_id \
               WHERE status = 'published' GROUP BY tag ORDER BY tag";
    data.readers()
        .read(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
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
/// overwrites whatever is there. What changes nothing is no new version.
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
            save(tx, old.id, &draft, &html, cause)
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

    #[test]
    fn a_search_can_never_be_fts_syntax() {
        assert_eq!(fts_query("a OR \"b* (c"), Some("\"a\" \"OR\" \"b\" \"c\"*".to_owned()));
        assert_eq!(fts_query("  ?* "), None);
    }
}
