//! Objects in S3-compatible stores, over signed requests.
//!
//! A [`Store`] holds the connections to one endpoint; a [`Bucket`] of it puts,
//! gets, lists and deletes. Signatures travel in the query string and are made
//! anew for every attempt: none leaves this process.

mod body;
mod client;
mod digest;
mod error;
mod read;
mod write;

use std::sync::Arc;

use url::Url;

use crate::config;
use client::Client;

pub use body::ObjectBody;
pub use digest::{Digest, Hasher};
pub use error::{Error, Target};
pub use read::{Listed, Metadata, Object, Page};
pub use write::{MAX_OBJECT, PutOptions, Stored};

/// One object store: its endpoint, key and pooled connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Arc<Client>,
    settings: Arc<config::S3>,
}

impl Store {
    /// A client of the store at `settings`; nothing is sent yet.
    #[must_use]
    pub fn new(settings: &config::S3) -> Self {
        Self { client: Arc::new(Client::new(settings)), settings: Arc::new(settings.clone()) }
    }

    /// Where the store is.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.settings.endpoint
    }

    /// The bucket `name`, whether it exists or not.
    ///
    /// # Errors
    /// [`Error::Address`] when endpoint and name make no address.
    pub fn bucket(&self, name: &str) -> Result<Bucket, Error> {
        let endpoint = self.settings.endpoint.clone();
        let style = url_style(&endpoint, name);
        let region = self.settings.region.clone();
        let address = rusty_s3::Bucket::new(endpoint, style, name.to_owned(), region)
            .map_err(|source| Error::Address { bucket: name.to_owned(), source })?;
        Ok(Bucket { client: Arc::clone(&self.client), address: Arc::new(address) })
    }
}

/// One bucket of a [`Store`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Arc<Client>,
    address: Arc<rusty_s3::Bucket>,
}

impl Bucket {
    /// The bucket's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.address.name()
    }

    fn target(&self, operation: &'static str, key: Option<&str>) -> Target {
        Target { operation, bucket: self.name().to_owned(), key: key.map(str::to_owned) }
    }

    fn object_url(&self, key: &str, operation: &'static str) -> Result<Url, Error> {
        if !is_addressable(key) {
            return Err(Error::Key { target: self.target(operation, Some(key)) });
        }
        Ok(self.address.object_url(key))
    }
}

/// Amazon's own endpoints take the bucket in the host name; all others, which
/// may be an IP address, take it in the path.
fn url_style(endpoint: &Url, bucket: &str) -> rusty_s3::UrlStyle {
    let amazon = endpoint.host_str().is_some_and(|host| host.ends_with(".amazonaws.com"));
    if amazon && !bucket.contains('.') {
        rusty_s3::UrlStyle::VirtualHost
    } else {
        rusty_s3::UrlStyle::Path
    }
}

/// A key whose URL is its own: an empty key, or one with `.` or `..` as a
/// segment, would address the bucket or another object.
fn is_addressable(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 1024
        && !key.chars().any(char::is_control)
        && !key.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_would_address_another_object_is_refused() {
        for key in ["", ".", "a/../b", "../other/key", "a\nb"] {
            assert!(!is_addressable(key), "{key:?}");
        }
        for key in ["a", "a/b.c", "..a/b..", "naïve key+1.jpg", "a//b"] {
            assert!(is_addressable(key), "{key:?}");
        }
    }

    #[test]
    fn only_amazon_takes_the_bucket_in_the_host_name() {
        let style = |endpoint: &str, bucket| {
            let url = Url::parse(endpoint).unwrap();
            matches!(url_style(&url, bucket), rusty_s3::UrlStyle::VirtualHost)
        };
        assert!(style("https://s3.eu-west-1.amazonaws.com", "daily"));
        assert!(!style("https://s3.eu-west-1.amazonaws.com", "a.b"));
        assert!(!style("http://127.0.0.1:9000", "daily"));
    }
}
