//! Why a backup, a drill or a restore did not go through.

use std::io;
use std::path::PathBuf;

use shared::blobs::{self, Digest};
use shared::db;
use shared::db::backups::Tier;

use crate::litestream;

/// A backup, drill or restore that did not go through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object store failed.
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// Litestream failed.
    #[error(transparent)]
    Litestream(#[from] litestream::Error),
    /// A file could not be handled.
    #[error("cannot {doing} {path}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A task of this process panicked.
    #[error("a task panicked")]
    Panicked,
    /// There is nowhere to copy to.
    #[error("no off-site store is configured: set OFFSITE_S3_ENDPOINT and its keys")]
    NoOffsite,
    /// Another process is at it.
    #[error("another backup, drill or copy is running")]
    Busy,
    /// The process is going down, or lost its lease.
    #[error("it was interrupted")]
    Interrupted,
    /// The backup bucket is not what it should be.
    #[error(
        "the bucket {bucket} has no {sentinel}: it may be the wrong bucket, or the replica is not \
         there yet; nothing was copied",
        sentinel = super::SENTINEL
    )]
    NoSentinel {
        /// The bucket.
        bucket: String,
    },
    /// There is no replica.
    #[error("the bucket {bucket} holds no file of the replica; nothing was copied")]
    NoReplica {
        /// The bucket.
        bucket: String,
    },
    /// The replica's files changed each time that they were listed.
    #[error("the replica's files went away {0} times while they were copied")]
    Restless(usize),
    /// Nothing was ever copied to the tier.
    #[error("the tier {0} holds nothing yet")]
    EmptyTier(Tier),
    /// There is suspiciously less than last time.
    #[error(
        "{what} went from {before} to {after}: refused, as this looks like loss; \
         if it is right, run it with --force"
    )]
    Shrank {
        /// What there is less of.
        what: &'static str,
        /// How many there were.
        before: u64,
        /// How many there are.
        after: u64,
    },
    /// The source of a promotion has not proved itself.
    #[error("the tier {0} failed its restore drill and is not copied on")]
    Unproved(Tier),
    /// Objects are gone from a tier.
    #[error("the tier {tier} lacks {missing} of its objects, such as {example}")]
    Incomplete {
        /// The tier.
        tier: Tier,
        /// How many are missing.
        missing: usize,
        /// One of them.
        example: String,
    },
    /// An object is not what it was stored as.
    #[error("{name} is damaged: its SHA-256 is {found}, not {expected}")]
    Damaged {
        /// Which object.
        name: String,
        /// What it should have.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// A document of a tier cannot be read.
    #[error("{name} cannot be understood: {problem}")]
    Unreadable {
        /// Which document.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A restored database is not what was backed up.
    #[error("the restored database differs: {0}")]
    Differs(String),
    /// The place to restore to is taken.
    #[error("{0} is not empty: a restore goes into an empty or new directory")]
    NotEmpty(PathBuf),
    /// The place to restore to cannot be one.
    #[error("{0} is no directory: a restore goes into an empty or new directory")]
    NoDirectory(PathBuf),
    /// A run failed; its record, and an alert, say why.
    #[error("{0}")]
    Recorded(String),
    /// An object that changes faster than it can be read.
    #[error("{0} changed each time that it was read")]
    KeepsChanging(String),
}
