//! Images and their variants.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, Page, Tx, outbox, uuid};
use crate::events::Event;
use crate::jobs::images::{COVER, MakeVariants, Picture, Variant};
use crate::time::Instant;

/// How far an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageStatus {
    /// Its variants are still to be made.
    Queued,
    /// It can be shown.
    Ready,
    /// It cannot be shown; its error says why.
    Failed,
}

impl ImageStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "ready" => Self::Ready,
            _ => Self::Failed,
        }
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// UUIDv7.
    pub id: Uuid,
    /// How far it is.
    pub status: ImageStatus,
    /// Why it cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Name of the file that was uploaded.
    pub filename: String,
    /// What it shows, in words.
    pub alt: String,
    /// Width of the original in pixels, after orientation.
    pub width: Option<u32>,
    /// Height of the original in pixels, after orientation.
    pub height: Option<u32>,
    /// A ThumbHash, in base64.
    pub placeholder: Option<String>,
    /// Size of the original in bytes.
    pub bytes: u64,
    /// When it was uploaded.
    pub created_at: Instant,
    /// Narrowest first.
    pub variants: Vec<Variant>,
}

impl Image {
    /// Whether a variant is the square cover, which shows only a part of an
    /// image that is not square. Larger ones may only round to a square.
    #[must_use]
    pub fn is_cover(&self, variant: &Variant) -> bool {
        let square = variant.width == variant.height && variant.width <= COVER;
        square && self.width != self.height
    }
}

/// An upload that was stored in the private bucket.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Chosen by the caller.
    pub id: Uuid,
    /// Name of the file.
    pub filename: String,
    /// What it shows, in words.
    pub alt: String,
    /// Key of the original in the private bucket.
    pub original: String,
    /// Size in bytes.
    pub bytes: u64,
}

const COLUMNS: &str =
    "id, status, error, filename, alt, width, height, placeholder, bytes, created_at";

fn image(row: &rusqlite::Row<'_>) -> rusqlite::Result<Image> {
    Ok(Image {
        id: uuid(row.get_ref(0)?.as_str()?)?,
        status: ImageStatus::parse(row.get_ref(1)?.as_str()?),
        error: row.get(2)?,
        filename: row.get(3)?,
        alt: row.get(4)?,
        width: row.get(5)?,
        height: row.get(6)?,
        placeholder: row.get(7)?,
        bytes: row.get(8)?,
        created_at: row.get(9)?,
        variants: Vec::new(),
    })
}

fn select(conn: &rusqlite::Connection, id: Uuid) -> Result<Option<Image>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM images WHERE id = ?1");
    let found = conn.prepare_cached(&sql)?.query_row([id.to_string()], image).optional()?;
    found.map(|image| with_variants(conn, image)).transpose()
}

fn with_variants(conn: &rusqlite::Connection, mut image: Image) -> Result<Image, Error> {
    let sql = "SELECT key, width, height, type, bytes FROM image_variants \
               WHERE image_id = ?1 ORDER BY width, type";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([image.id.to_string()], |row| {
        Ok(Variant {
            key: row.get(0)?,
            width: row.get(1)?,
            height: row.get(2)?,
            media_type: row.get(3)?,
            bytes: row.get(4)?,
        })
    })?;
    image.variants = rows.collect::<Result<_, _>>()?;
    Ok(image)
}

/// Keeps an uploaded image as queued; its job leaves in the same transaction.
///
/// # Errors
/// When it cannot be written.
pub async fn create(data: &Data, new: NewImage, cause: Uuid) -> Result<(), Error> {
    let sql = "INSERT INTO images (id, status, filename, alt, original, bytes, created_at) \
               VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6)";
    data.writer()
        .write(move |tx| {
            let NewImage { id, filename, alt, original, bytes } = new;
            let row = params![id.to_string(), filename, alt, original, bytes, tx.now()];
            tx.conn().execute(sql, row)?;
            outbox::job(tx, MakeVariants { image: id, original }, cause)?;
            outbox::event(tx, &Event::image(id, ImageStatus::Queued, None, cause))
        })
        .await
}

/// Writes down the variants of an image and tells that it is ready.
///
/// # Errors
/// When they cannot be written.
pub fn made(tx: &Tx<'_>, id: Uuid, picture: &Picture, cause: Uuid) -> Result<(), Error> {
    let sql = "UPDATE images SET status = 'ready', error = NULL, width = ?2, height = ?3, \
               placeholder = ?4 WHERE id = ?1";
    let Picture { width, height, placeholder, variants } = picture;
    let row = params![id.to_string(), width, height, placeholder];
    if tx.conn().execute(sql, row)? == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO image_variants (image_id, key, width, height, type, bytes) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE \
               SET key = excluded.key, height = excluded.height, bytes = excluded.bytes";
    for Variant { key, width, height, media_type, bytes } in variants {
        let row = params![id.to_string(), key, width, height, media_type, bytes];
        tx.conn().execute(sql, row)?;
    }
    outbox::event(tx, &Event::image(id, ImageStatus::Ready, None, cause))
}

/// Writes down that an image cannot be shown, and tells why.
///
/// # Errors
/// When it cannot be written.
pub fn failed(tx: &Tx<'_>, id: Uuid, error: &str, cause: Uuid) -> Result<(), Error> {
    let sql = "UPDATE images SET status = 'failed', error = ?2 WHERE id = ?1";
    if tx.conn().execute(sql, params![id.to_string(), error])? == 1 {
        outbox::event(tx, &Event::image(id, ImageStatus::Failed, Some(error), cause))?;
    }
    Ok(())
}

/// One image.
///
/// # Errors
/// When it cannot be read.
pub async fn get(data: &Data, id: Uuid) -> Result<Option<Image>, Error> {
    data.readers().read(move |conn| select(conn, id)).await
}

/// Those of `ids` that exist.
///
/// # Errors
/// When they cannot be read.
pub async fn get_all(data: &Data, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Image>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    data.readers()
        .read(move |conn| {
            let found = ids.into_iter().filter_map(|id| select(conn, id).transpose());
            found.map(|image| image.map(|image| (image.id, image))).collect()
        })
        .await
}

/// Images, newest first; `after` is the cursor of the page before.
///
/// # Errors
/// When they cannot be read.
pub async fn list(data: &Data, after: Option<String>, limit: usize) -> Result<Page<Image>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM images WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
    );
    let rows = data.readers().read(move |conn| {
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![after, limit as i64 + 1], image)?;
        let images = rows.collect::<Result<Vec<_>, _>>()?;
        images.into_iter().map(|image| with_variants(conn, image)).collect::<Result<Vec<_>, _>>()
    });
    let images: Result<Vec<Image>, Error> = rows.await;
    Ok(Page::cut(images?, limit, |image| image.id.to_string()))
}

/// Says anew what an image shows; false when there is none of that id.
///
/// # Errors
/// When it cannot be written.
pub async fn set_alt(data: &Data, id: Uuid, alt: String) -> Result<bool, Error> {
    let sql = "UPDATE images SET alt = ?2 WHERE id = ?1";
    data.writer()
        .write(move |tx| Ok(tx.conn().execute(sql, params![id.to_string(), alt])? == 1))
        .await
}

/// Forgets an image and its variants; false when there is none of that id. The
/// objects stay in their buckets: another image of the same content has them too.
///
/// # Errors
/// When it cannot be written.
pub async fn delete(data: &Data, id: Uuid) -> Result<bool, Error> {
    let sql = "DELETE FROM images WHERE id = ?1";
    data.writer().write(move |tx| Ok(tx.conn().execute(sql, [id.to_string()])? == 1)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32) -> Image {
        Image {
            id: Uuid::nil(),
            status: ImageStatus::Ready,
            error: None,
            filename: String::new(),
            alt: String::new(),
            width: Some(width),
            height: Some(height),
            placeholder: None,
            bytes: 0,
            created_at: Instant::now(),
            variants: Vec::new(),
        }
    }

    #[track_caller]
    fn check(of: (u32, u32), (width, height): (u32, u32), cover: bool) {
        let (key, media_type) = (String::new(), "image/jpeg".to_owned());
        let variant = Variant { key, width, height, media_type, bytes: 0 };
        assert_eq!(image(of.0, of.1).is_cover(&variant), cover);
    }

    #[test]
    fn a_size_that_rounds_to_a_square_is_not_the_cover() {
        check((2400, 1600), (200, 200), true);
        check((150, 100), (100, 100), true);
        check((641, 640), (320, 320), false);
        check((640, 640), (200, 200), false);
        check((2400, 1600), (320, 213), false);
    }
}
