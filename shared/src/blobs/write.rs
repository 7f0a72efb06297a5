//! Writing: buckets, objects from memory and from streams, deletion.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use rusty_s3::Method;
use rusty_s3::actions::{CreateBucket, DeleteObjectsResponse, ObjectIdentifier};

use super::body::streamed;
use super::client::{Call, header};
use super::error::BoxError;
use super::read::text;
use super::{Bucket, Digest, Error, Hasher};

/// The most bytes that one PUT may carry.
pub const MAX_OBJECT: u64 = 5 * 1024 * 1024 * 1024;

/// The most keys of one deletion request.
const DELETE_BATCH: usize = 1000;

/// The headers an object keeps, and the digest it must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// The store refuses content that does not have this digest.
    pub sha256: Option<Digest>,
}

impl PutOptions {
    /// Options with a content type alone.
    #[must_use]
    pub fn typed(content_type: impl Into<String>) -> Self {
        Self { content_type: Some(content_type.into()), ..Self::default() }
    }
}

/// An object as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entity tag, with its quotes.
    pub etag: String,
    /// The digest of what was sent.
    pub sha256: Digest,
    /// Bytes.
    pub length: u64,
}

impl Bucket {
    /// Creates the bucket unless it exists; says whether it did.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    pub async fn ensure(&self) -> Result<bool, Error> {
        if self.exists().await? {
            return Ok(false);
        }
        let credentials = rusty_s3::Credentials::new("", "");
        let body = CreateBucket::new(&self.address, &credentials).body();
        let url = self.address.base_url().clone();
        let call = Call::new(self.target("create", None), Method::Put, url).body(body.into());
        match self.client.send(call).await {
            Ok(_) => Ok(true),
            Err(Error::Refused { code, .. }) if code == "BucketAlreadyOwnedByYou" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores `content` at `key`, whatever was there before; the store checks
    /// its SHA-256.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 5 GiB, or what kept the store from taking it.
    pub async fn put(
        &self,
        key: &str,
        content: Bytes,
        options: PutOptions,
    ) -> Result<Stored, Error> {
        let length = content.len() as u64;
        let sha256 = options.sha256.unwrap_or_else(|| Digest::of(&content));
        let options = PutOptions { sha256: Some(sha256), ..options };
        let call = self.put_call(key, length, &options)?.body(content);
        let response = self.client.send(call).await?;
        let etag = header(response.headers(), "etag").unwrap_or_default();
        Ok(Stored { etag, sha256, length })
    }

    /// Stores `length` bytes from `pieces` at `key`, digesting them on the
    /// way. It is tried once, as a stream cannot be read twice.
    ///
    /// # Errors
    /// [`Error::Broken`] when `pieces` fail or are not `length` bytes, and as
    /// [`Bucket::put`]. Nothing is stored then.
    pub async fn put_stream<S, E>(
        &self,
        key: &str,
        length: u64,
        pieces: S,
        options: PutOptions,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let call = self.put_call(key, length, &options)?;
        let hasher = Arc::new(Mutex::new(Hasher::default()));
        let moved = Arc::default();
        let body = streamed(pieces, length, Arc::clone(&moved), Arc::clone(&hasher));
        let response = self.client.send_once(call, body, moved).await?;
        let (sha256, length) =
            hasher.lock().unwrap_or_else(PoisonError::into_inner).clone().finish();
        let etag = header(response.headers(), "etag").unwrap_or_default();
        Ok(Stored { etag, sha256, length })
    }

    /// Deletes the object at `key`; one that is not there is no error.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        let url = self.object_url(key, "delete")?;
        let call = Call::new(self.target("delete", Some(key)), Method::Delete, url);
        match self.client.send(call).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() && !error.is_no_bucket() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes the objects at `keys`, a thousand a request; those that are not
    /// there are no error.
    ///
    /// # Errors
    /// The first key that the store refused, or why it cannot be reached.
    pub async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        for batch in keys.chunks(DELETE_BATCH) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, keys: &[String]) -> Result<(), Error> {
        let target = self.target("delete from", None);
        let objects: Vec<_> = keys.iter().cloned().map(ObjectIdentifier::new).collect();
        let mut action = self.address.delete_objects(None, objects.iter());
        action.set_quiet(true);
        let (body, md5) = action.body_with_md5();
        let url = self.address.base_url().clone();
        let call = Call::new(target.clone(), Method::Post, url)
            .query("delete", "1")
            .header("content-md5", md5)
            .body(body.into());
        let answer = text(self.client.send(call).await?, &target).await?;
        let parsed = DeleteObjectsResponse::parse(&answer)
            .map_err(|error| Error::Malformed { target, problem: error.to_string() })?;
        let Some(refused) = parsed.errors.into_iter().next() else {
            return Ok(());
        };
        let target = self.target("delete", Some(&refused.key));
        let (code, message) = (refused.code, refused.message);
        Err(Error::Refused { target, status: 200, code, message })
    }

    fn put_call(&self, key: &str, length: u64, options: &PutOptions) -> Result<Call, Error> {
        let (url, target) = (self.object_url(key, "put")?, self.target("put", Some(key)));
        if length > MAX_OBJECT {
            return Err(Error::TooLarge { target, length, limit: MAX_OBJECT });
        }
        let mut call =
            Call::new(target, Method::Put, url).header("content-length", length.to_string());
        if let Some(value) = &options.content_type {
            call = call.header("content-type", value);
        }
        if let Some(value) = &options.cache_control {
            call = call.header("cache-control", value);
        }
        if let Some(digest) = &options.sha256 {
            call = call.header("x-amz-checksum-sha256", digest.base64());
        }
        Ok(call)
    }
}
