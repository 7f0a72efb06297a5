//! What can go wrong with an object store.

use std::fmt;
use std::time::Duration;

/// The source of a failure below HTTP.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What was tried, on which bucket and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The operation, such as `get` or `list`.
    pub operation: &'static str,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, or the prefix of a listing.
    pub key: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.bucket)?;
        self.key.iter().try_for_each(|key| write!(f, "/{key}"))
    }
}

/// A failed operation on an object store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Endpoint and bucket name make no address.
    #[error("the bucket {bucket:?} has no address at this endpoint: {source:?}")]
    Address {
        /// The bucket's name.
        bucket: String,
        /// What is wrong with it.
        source: rusty_s3::BucketError,
    },
    /// The key cannot be part of an address.
    #[error("{target}: this key cannot be addressed")]
    Key {
        /// What was tried.
        target: Target,
    },
    /// There is no such object, or no such bucket.
    #[error("{target}: not found")]
    NotFound {
        /// What was tried.
        target: Target,
        /// The store's code, such as `NoSuchKey`; empty after a HEAD.
        code: String,
    },
    /// The object is no longer the one that was asked for.
    #[error("{target}: changed meanwhile")]
    Changed {
        /// What was tried.
        target: Target,
    },
    /// The range lies outside the object.
    #[error("{target}: the range cannot be satisfied")]
    Range {
        /// What was tried.
        target: Target,
    },
    /// The store answered with a refusal.
    #[error("{target}: refused with {status} {code}: {message}")]
    Refused {
        /// What was tried.
        target: Target,
        /// The HTTP status.
        status: u16,
        /// The store's code, such as `AccessDenied`.
        code: String,
        /// The store's explanation.
        message: String,
    },
    /// The store cannot be reached.
    #[error("{target}: the object store cannot be reached")]
    Unreachable {
        /// What was tried.
        target: Target,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The connection broke, or the body given for sending did.
    #[error("{target}: the transfer broke off")]
    Broken {
        /// What was tried.
        target: Target,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// Nothing moved for too long.
    #[error("{target}: nothing moved for {} s", .after.as_secs())]
    Stalled {
        /// What was tried.
        target: Target,
        /// How long nothing moved.
        after: Duration,
    },
    /// Larger than a single PUT, or the reader's own limit, allows.
    #[error("{target}: {length} bytes are more than the limit of {limit}")]
    TooLarge {
        /// What was tried.
        target: Target,
        /// The object's length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The store's answer makes no sense.
    #[error("{target}: the answer cannot be understood: {problem}")]
    Malformed {
        /// What was tried.
        target: Target,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// Whether the object, or its bucket, is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the bucket itself is not there.
    #[must_use]
    pub fn is_no_bucket(&self) -> bool {
        matches!(self, Self::NotFound { code, .. } if code == "NoSuchBucket")
    }

    /// Whether the object changed since its ETag was read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }

    /// Whether the store is down or out of reach, rather than refusing.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
