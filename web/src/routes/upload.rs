//! An image on its way in: spooled and digested, looked at, stored, queued.
//!
//! An object's key is the digest of its content, which is known only at its
//! end. So an upload goes to a file beside the databases first, and from
//! there to the object store.

use std::path::{Path, PathBuf};

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::Stream;
use imagesize::ImageType;
use shared::blobs::{self, Digest, Hasher, PutOptions};
use shared::db::images::{self, NewImage};
use shared::files;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::state::AppState;
use crate::validate::{ALT_MAX, Checks};

/// Bytes of an image at most.
pub const IMAGE_MAX: u64 = 32 * 1024 * 1024;
/// Bytes of an upload at most: the image and the form around it.
pub const BODY_MAX: usize = 32 * 1024 * 1024 + 64 * 1024;
/// Pixels of an image at most.
const PIXELS_MAX: u64 = 100_000_000;
/// Pixels of a side at most.
const SIDE_MAX: usize = 30_000;
/// Characters of a file's name that are kept.
const NAME_MAX: usize = 200;
/// Bytes that are read from the spool at once.
const PIECE: usize = 64 * 1024;
/// How often a store that is away for a moment is tried.
const TRIES: usize = 2;

/// A form with an image, as it came.
#[derive(Default)]
pub struct Upload {
    /// What the image shows.
    pub alt: String,
    file: Option<Spooled>,
}

/// Reads the form; `alt` is kept in `upload` also when the rest is refused.
///
/// # Errors
/// When the file is too large or broke off, or the disk is full.
pub async fn read(state: &AppState, mut form: Multipart, upload: &mut Upload) -> Result<()> {
    while let Some(mut field) = form.next_field().await.map_err(|error| broken(&error))? {
        match field.name() {
            Some("alt") => {
                let alt = field.text().await.map_err(|error| broken(&error))?;
                upload.alt = alt.trim().to_owned();
            }
            Some("file") => upload.file = Some(Spooled::write(state, &mut field).await?),
            _ => {}
        }
    }
    Ok(())
}

/// Stores the image, and queues the work on it.
///
/// # Errors
/// When the form has no image, it is none, or the store is away.
pub async fn keep(state: &AppState, upload: Upload, cause: Uuid) -> Result<Uuid> {
    let mut checks = Checks::default();
    checks.text("alt", &upload.alt, 0, ALT_MAX);
    checks.finish()?;
    let file = upload.file.ok_or_else(|| Error::field("file", "it is missing"))?;
    let (media_type, extension) = file.look().await?;
    let key = format!("originals/{}.{extension}", file.digest);
    file.store(state, &key, media_type).await?;
    let new = NewImage {
        id: Uuid::now_v7(),
        filename: file.name.clone(),
        alt: upload.alt,
        original: key,
        bytes: file.length,
    };
    let id = new.id;
    images::create(&state.data, new, cause).await?;
    Ok(id)
}

fn broken(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Error::bad_request("the upload broke off, or is no multipart form; send it again")
}

fn too_large() -> Error {
    Error::TooLarge(format!("the image is larger than {} MiB", IMAGE_MAX >> 20))
}

/// A file that was received whole; deleted when it is dropped.
struct Spooled {
    path: PathBuf,
    name: String,
    digest: Digest,
    length: u64,
}

impl Drop for Spooled {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Spooled {
    async fn write(state: &AppState, field: &mut Field<'_>) -> Result<Self> {
        let dir = directory(&state.config.data_dir);
        tokio::fs::create_dir_all(&dir).await.map_err(|error| disk(&error))?;
        let path = dir.join(format!("{}.part", Uuid::now_v7()));
        let name = file_name(field.file_name().unwrap_or_default());
        let received = receive(&path, field).await;
        if received.is_err() {
            remove(&path);
        }
        let (digest, length) = received?;
        Ok(Self { path, name, digest, length })
    }

    /// The image's type, by its first bytes, once its size is found bearable.
    async fn look(&self) -> Result<(&'static str, &'static str)> {
        let path = self.path.clone();
        let looked = tokio::task::spawn_blocking(move || look(&path)).await;
        looked.map_err(|error| Error::Internal(error.to_string()))?
    }

    async fn store(&self, state: &AppState, key: &str, media_type: &str) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.put(state, key, media_type).await? {
                Err(error) if error.is_unavailable() && tries < TRIES => {}
                stored => return Ok(stored?),
            }
        }
    }

    async fn put(
        &self,
        state: &AppState,
        key: &str,
        media_type: &str,
    ) -> Result<std::result::Result<(), blobs::Error>> {
        let file = File::open(&self.path).await.map_err(|error| disk(&error))?;
        let sha256 = Some(self.digest);
        let options = PutOptions { sha256, ..PutOptions::typed(media_type) };
        let stored = state.private.put_stream(key, self.length, pieces(file), options).await;
        Ok(stored.map(drop))
    }
}

/// Where uploads under way are kept.
fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("uploads")
}

/// Deletes what a process left behind when it was killed.
pub fn forget_leftovers(data_dir: &Path) {
    let entries = std::fs::read_dir(directory(data_dir)).into_iter().flatten().flatten();
    for entry in entries {
        remove(&entry.path());
    }
}

fn remove(path: &Path) {
    if let Err(error) = files::remove(path) {
        tracing::warn!(%error, path = %path.display(), "an upload could not be deleted");
    }
}

async fn receive(path: &Path, field: &mut Field<'_>) -> Result<(Digest, u64)> {
    let mut file = File::create(path).await.map_err(|error| disk(&error))?;
    let (mut hasher, mut length) = (Hasher::default(), 0_u64);
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        length += piece.len() as u64;
        if length > IMAGE_MAX {
            return Err(too_large());
        }
        hasher.update(&piece);
        file.write_all(&piece).await.map_err(|error| disk(&error))?;
    }
    file.flush().await.map_err(|error| disk(&error))?;
    Ok(hasher.finish())
}

fn disk(error: &std::io::Error) -> Error {
    tracing::error!(%error, "an upload could not be spooled");
    Error::unavailable("The disk of the site could not take the upload. Try again later.")
}

/// The last part of a path, as some browsers send one, of bounded length.
fn file_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    if name.is_empty() { "image".to_owned() } else { name }
}

fn look(path: &Path) -> Result<(&'static str, &'static str)> {
    let head = std::fs::File::open(path).and_then(|mut file| {
        let mut head = [0; 64];
        let read = std::io::Read::read(&mut file, &mut head)?;
        Ok(head[..read].to_vec())
    });
    let kind = kind(&head.map_err(|error| disk(&error))?)?;
    let size = imagesize::size(path).map_err(|_| {
        Error::field("file", "the image is damaged or cut off: its size cannot be read")
    })?;
    let pixels = size.width as u64 * size.height as u64;
    if size.width > SIDE_MAX || size.height > SIDE_MAX || pixels > PIXELS_MAX {
        let (width, height) = (size.width, size.height);
        return Err(Error::field(
            "file",
            format!(
                "the image has {width}×{height} pixels; at most 100 megapixels and {SIDE_MAX} a \
                 side are taken"
            ),
        ));
    }
    Ok(kind)
}

/// Media type and extension of an image's first bytes.
fn kind(head: &[u8]) -> Result<(&'static str, &'static str)> {
    match imagesize::image_type(head) {
        Ok(ImageType::Jpeg) => Ok(("image/jpeg", "jpg")),
        Ok(ImageType::Png) => Ok(("image/png", "png")),
        Ok(ImageType::Webp) => Ok(("image/webp", "webp")),
        Ok(ImageType::Gif) => Ok(("image/gif", "gif")),
        _ => Err(Error::Unsupported(
            "the file is no image that is taken here: JPEG, PNG, WebP or GIF".to_owned(),
        )),
    }
}

fn pieces(file: File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_says_what_a_file_is() {
        assert_eq!(kind(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01").unwrap().0, "image/jpeg");
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR").unwrap().0, "image/png");
        assert_eq!(kind(b"GIF89a\x01\x00\x01\x00\x00\x00").unwrap().0, "image/gif");
        assert_eq!(kind(b"RIFF\x00\x00\x00\x00WEBPVP8 ").unwrap().0, "image/webp");
        assert!(kind(b"#!/bin/sh\necho hello there").is_err());
        assert!(kind(b"").is_err());
    }

    #[test]
    fn a_file_keeps_its_own_name_alone() {
        assert_eq!(file_name("C:\\pictures\\a.jpg"), "a.jpg");
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name(""), "image");
    }
}
