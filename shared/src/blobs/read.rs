//! Reading: whole objects, ranges, metadata, listings.

use axum::http::{HeaderMap, Response};
use futures_util::{Stream, stream};
use rusty_s3::Method;
use rusty_s3::actions::ListObjectsV2;

use super::body::{Body, ObjectBody};
use super::client::{Call, header};
use super::{Bucket, Error, Target};

/// What a store says about an object beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The entity tag, with its quotes.
    pub etag: String,
    /// Bytes in the answer: of the object, or of the range that was asked for.
    pub length: u64,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Last-Modified`, as an HTTP date.
    pub last_modified: Option<String>,
    /// `Content-Range`, when only a range was sent.
    pub content_range: Option<String>,
}

/// An object on its way: its metadata, and its content as it arrives.
#[derive(Debug)]
pub struct Object {
    /// What the store says about it.
    pub metadata: Metadata,
    /// The content.
    pub body: ObjectBody,
}

impl Object {
    /// The whole content, in memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when it has more than `limit` bytes, and whatever
    /// breaks the transfer.
    pub async fn bytes(self, limit: usize) -> Result<bytes::Bytes, Error> {
        self.body.bytes(limit).await
    }
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The entity tag, with its quotes.
    pub etag: String,
    /// When it was last written, as RFC 3339.
    pub last_modified: Option<String>,
}

/// Up to a thousand objects, and where the listing goes on.
#[derive(Debug, Clone)]
pub struct Page {
    /// The objects, in the order of their keys.
    pub objects: Vec<Listed>,
    /// What [`Bucket::list_page`] takes for the next page.
    pub next: Option<String>,
}

impl Bucket {
    /// Whether the bucket exists.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn exists(&self) -> Result<bool, Error> {
        let target = self.target("look for", None);
        let call = Call::new(target, Method::Head, self.address.base_url().clone());
        match self.client.send(call).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fails unless the store answers and the bucket exists.
    ///
    /// # Errors
    /// Why the bucket cannot be used.
    pub async fn ready(&self) -> Result<(), Error> {
        if self.exists().await? {
            return Ok(());
        }
        let code = "NoSuchBucket".to_owned();
        Err(Error::NotFound { target: self.target("look for", None), code })
    }

    /// The object at `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what kept the store from answering.
    pub async fn get(&self, key: &str) -> Result<Object, Error> {
        self.open(self.get_call(key)?).await
    }

    /// The object at `key` if it still has the entity tag `etag`.
    ///
    /// # Errors
    /// [`Error::Changed`] when it has another one, and as [`Bucket::get`].
    pub async fn get_if_match(&self, key: &str, etag: &str) -> Result<Object, Error> {
        self.open(self.get_call(key)?.header("if-match", etag)).await
    }

    /// A part of the object at `key`; `range` is the value of a `Range` header,
    /// such as `bytes=0-1023`. [`Metadata::content_range`] says what came.
    ///
    /// # Errors
    /// [`Error::Range`] when it lies outside the object, and as [`Bucket::get`].
    pub async fn get_range(&self, key: &str, range: &str) -> Result<Object, Error> {
        self.open(self.get_call(key)?.header("range", range)).await
    }

    /// What the store says about the object at `key`.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub async fn head(&self, key: &str) -> Result<Metadata, Error> {
        let url = self.object_url(key, "head")?;
        let target = self.target("head", Some(key));
        let response = self.client.send(Call::new(target.clone(), Method::Head, url)).await?;
        metadata(response.headers(), &target)
    }

    /// One page of the objects whose keys begin with `prefix`, from the start
    /// or from where the last page ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such bucket, or what kept the
    /// store from answering.
    pub async fn list_page(&self, prefix: &str, next: Option<&str>) -> Result<Page, Error> {
        let target = self.target("list", Some(prefix));
        let url = self.address.base_url().clone();
        let mut call = Call::new(target.clone(), Method::Get, url)
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("prefix", prefix);
        if let Some(token) = next {
            call = call.query("continuation-token", token);
        }
        let text = text(self.client.send(call).await?, &target).await?;
        page(&text).map_err(|problem| Error::Malformed { target, problem })
    }

    /// All objects whose keys begin with `prefix`, a page at a time.
    pub fn list<'a>(&'a self, prefix: &'a str) -> impl Stream<Item = Result<Page, Error>> + 'a {
        stream::try_unfold(Some(None::<String>), async move |state| {
            let Some(next) = state else { return Ok(None) };
            let page = self.list_page(prefix, next.as_deref()).await?;
            let state = page.next.clone().map(Some);
            Ok(Some((page, state)))
        })
    }

    fn get_call(&self, key: &str) -> Result<Call, Error> {
        let url = self.object_url(key, "get")?;
        Ok(Call::new(self.target("get", Some(key)), Method::Get, url))
    }

    async fn open(&self, call: Call) -> Result<Object, Error> {
        let target = call.target.clone();
        let (parts, body) = self.client.send(call).await?.into_parts();
        let metadata = metadata(&parts.headers, &target)?;
        Ok(Object { metadata, body: ObjectBody::new(body, target) })
    }
}

fn metadata(headers: &HeaderMap, target: &Target) -> Result<Metadata, Error> {
    let malformed = || {
        let problem = "it has no length".to_owned();
        Error::Malformed { target: target.clone(), problem }
    };
    let length = header(headers, "content-length").and_then(|length| length.parse().ok());
    Ok(Metadata {
        etag: header(headers, "etag").unwrap_or_default(),
        length: length.ok_or_else(malformed)?,
        content_type: header(headers, "content-type"),
        cache_control: header(headers, "cache-control"),
        last_modified: header(headers, "last-modified"),
        content_range: header(headers, "content-range"),
    })
}

fn page(text: &str) -> Result<Page, String> {
    let parsed = ListObjectsV2::parse_response(text).map_err(|error| error.to_string())?;
    let objects = parsed.contents.into_iter().map(|object| Listed {
        key: object.key,
        size: object.size.unwrap_or_default(),
        etag: object.etag.unwrap_or_default(),
        last_modified: object.last_modified,
    });
    Ok(Page { objects: objects.collect(), next: parsed.next_continuation_token })
}

/// The answer as text.
pub(super) async fn text(response: Response<Body>, target: &Target) -> Result<String, Error> {
    const LIMIT: usize = 16 * 1024 * 1024;
    let body = ObjectBody::new(response.into_body(), target.clone());
    let bytes = body.bytes(LIMIT).await?;
    String::from_utf8(bytes.into()).map_err(|_| {
        let problem = "it is not text".to_owned();
        Error::Malformed { target: target.clone(), problem }
    })
}
