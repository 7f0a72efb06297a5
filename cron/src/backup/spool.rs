//! Objects held between their source and their destination.
//!
//! A digest is only known when the last byte has come, and the destination
//! wants it before the first: so small objects wait in memory, large ones in a
//! file.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use shared::blobs::{self, Bucket, Digest, Hasher, Metadata, Object, PutOptions};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Error, Scratch};

/// Objects up to this many bytes wait in memory.
const IN_MEMORY: u64 = 1024 * 1024;
const PIECE: usize = 256 * 1024;
/// How often a file is sent: a stream is not repeated by the client itself.
const ATTEMPTS: usize = 3;

/// An object that came whole.
#[derive(Debug)]
pub struct Spooled {
    /// What its source said of it.
    pub metadata: Metadata,
    /// The digest of what came.
    pub digest: Digest,
    /// How many bytes came.
    pub length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File(PathBuf),
}

impl Spooled {
    /// Reads `object` to its end.
    ///
    /// # Errors
    /// When the transfer breaks or the scratch directory fails.
    pub async fn read(object: Object, scratch: &Scratch) -> Result<Self, Error> {
        let Object { metadata, body } = object;
        let ((digest, length), content) = if metadata.length <= IN_MEMORY {
            let (sum, bytes) = to_memory(body).await?;
            (sum, Content::Memory(bytes))
        } else {
            let path = scratch.fresh();
            (write_file(body, &path).await?, Content::File(path))
        };
        Ok(Self { metadata, digest, length, content })
    }

    /// A file that is there already.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of_file(path: PathBuf) -> Result<Self, Error> {
        let mut hasher = Hasher::default();
        let mut pieces = std::pin::pin!(file_pieces(path.clone()));
        while let Some(piece) = pieces.next().await {
            hasher.update(&piece.map_err(|source| file_error("read", &path, source))?);
        }
        let (digest, length) = hasher.finish();
        let metadata = Metadata {
            etag: String::new(),
            length,
            content_type: None,
            cache_control: None,
            last_modified: None,
            content_range: None,
        };
        Ok(Self { metadata, digest, length, content: Content::File(path) })
    }

    /// The headers it came with, and its digest.
    #[must_use]
    pub fn options(&self) -> PutOptions {
        PutOptions {
            content_type: self.metadata.content_type.clone(),
            cache_control: self.metadata.cache_control.clone(),
            sha256: Some(self.digest),
        }
    }

    /// Stores it at `key`; the store confirms the digest.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, bucket: &Bucket, key: &str, options: PutOptions) -> Result<(), Error> {
        let options = PutOptions { sha256: Some(self.digest), ..options };
        let path = match &self.content {
            Content::Memory(bytes) => {
                bucket.put(key, bytes.clone(), options).await?;
                return Ok(());
            }
            Content::File(path) => path,
        };
        let mut attempt = 1;
        loop {
            let pieces = file_pieces(path.clone());
            match bucket.put_stream(key, self.length, pieces, options.clone()).await {
                Err(error) if error.is_unavailable() && attempt < ATTEMPTS => attempt += 1,
                stored => return Ok(stored.map(drop)?),
            }
        }
    }

    /// Writes it to the new file `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn save(&self, path: &Path) -> Result<(), Error> {
        let saved = match &self.content {
            Content::Memory(bytes) => tokio::fs::write(path, bytes).await,
            Content::File(from) => tokio::fs::copy(from, path).await.map(drop),
        };
        saved.map_err(|source| file_error("write", path, source))
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Content::File(path) = &self.content {
            // What stays behind goes with its scratch directory.
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

type Sum = (Digest, u64);

async fn to_memory(mut body: blobs::ObjectBody) -> Result<(Sum, Bytes), Error> {
    let (mut hasher, mut bytes) = (Hasher::default(), BytesMut::new());
    while let Some(piece) = body.try_next().await? {
        hasher.update(&piece);
        bytes.extend_from_slice(&piece);
    }
    Ok((hasher.finish(), bytes.freeze()))
}

async fn write_file(mut body: blobs::ObjectBody, path: &Path) -> Result<Sum, Error> {
    let failed = |source| file_error("write", path, source);
    let mut hasher = Hasher::default();
    let mut file = File::create_new(path).await.map_err(failed)?;
    while let Some(piece) = body.try_next().await? {
        hasher.update(&piece);
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(hasher.finish())
}

fn file_pieces(path: PathBuf) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((path, None), async |(path, file): (PathBuf, Option<File>)| {
        let mut file = match file {
            Some(file) => file,
            None => File::open(&path).await?,
        };
        let mut piece = BytesMut::with_capacity(PIECE);
        let more = file.read_buf(&mut piece).await? > 0;
        Ok(more.then(|| (piece.freeze(), (path, Some(file)))))
    })
}

fn file_error(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { doing, path: path.to_owned(), source }
}
