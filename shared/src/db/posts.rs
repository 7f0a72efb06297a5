//! Posts and their tags.

mod save;
mod search;

use std::str::FromStr;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Page, uuid};
use crate::time::Instant;

pub use save::{SaveError, create, delete, publish_due, update};
pub use search::search;

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
