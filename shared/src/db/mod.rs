//! The two databases, and all SQL of Hearth.
//!
//! [`Data`] is `data.db`: what the site is, replicated by Litestream. [`Ttl`]
//! is `ttl.db`: what is to be forgotten, never replicated. Each module holds
//! the statements of one noun. A public `async fn` opens its transaction; a
//! function that takes a [`Tx`] is part of somebody else's.

pub mod alerts;
pub mod backups;
pub mod batches;
pub mod begun;
pub mod blogroll;
pub mod comments;
pub mod done;
mod fresh;
pub mod images;
pub mod jobs;
mod origin;
pub mod outbox;
pub mod pauses;
pub mod periodic;
pub mod posts;
mod readers;
pub mod reconcile;
mod schema;
pub mod settings;
pub mod sources;
pub mod tokens;
pub mod ttl;
pub mod unique;
pub mod users;
pub mod views;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use uuid::Uuid;

use fresh::Fresh;
pub use origin::Presence;
pub use readers::Readers;
pub use schema::{Prepared, Schema};
pub use writer::{Tx, Writer};

/// The first SQLite without the WAL-reset corruption, which hits several
/// processes of which one checkpoints: exactly what Litestream and we are.
const SAFE_SQLITE: i32 = 3_051_003;

/// What can go wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened.
    #[error("cannot open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file is not there, and this process may not create it.
    #[error("the database {0} does not exist: run `cron prepare` first")]
    Missing(PathBuf),
    /// The file was written by a newer Hearth.
    #[error(
        "the database {path} has schema version {found}, newer than this program's {known}: \
         it was left untouched; start the newer program"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The file was written by an older Hearth and has not been migrated.
    #[error(
        "the database {path} has schema version {found}, older than this program's {known}: \
         run `cron prepare` to migrate it"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version this program needs.
        known: i64,
    },
    /// The linked SQLite can corrupt a WAL.
    #[error("SQLite {0} can corrupt a WAL that several processes share; 3.51.3 or newer is needed")]
    Vulnerable(&'static str),
    /// A statement failed.
    #[error("the database refused a statement")]
    Sqlite(#[from] rusqlite::Error),
    /// SQLite undid the whole transaction (a full disk, a failing one).
    #[error("the database undid the whole transaction")]
    RolledBack,
    /// The transaction that held this change could not be committed.
    #[error("the change could not be committed: {0}")]
    Commit(Arc<rusqlite::Error>),
    /// The code of a transaction panicked; nothing of it was kept.
    #[error("a transaction panicked and was rolled back")]
    Panicked,
    /// The writing thread has ended: the process is going down.
    #[error("the database is closed")]
    WriterGone,
    /// A job cannot be sent back while another one holds its key.
    #[error("the job {holder} holds its key: send it back when that one is over")]
    KeyHeld {
        /// That job.
        holder: Uuid,
    },
    /// A stored value is not what this program wrote.
    #[error("the database holds {value:?} where {expected} was expected")]
    Corrupt {
        /// What was read.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl Error {
    /// Whether the disk is full, which the user is told in so many words.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Commit(error) => error.sqlite_error_code(),
            _ => None,
        };
        code == Some(rusqlite::ErrorCode::DiskFull)
    }

    /// Whether the database itself is at fault, not the statement: the same
    /// change may succeed later, so it must not count as a job's failure.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Commit(_) | Self::RolledBack | Self::WriterGone => return true,
            _ => None,
        };
        matches!(
            code,
            Some(
                Code::DiskFull
                    | Code::SystemIoFailure
                    | Code::DatabaseBusy
                    | Code::DatabaseLocked
                    | Code::OutOfMemory
                    | Code::CannotOpen
                    | Code::ReadOnly
                    | Code::DatabaseCorrupt
            )
        )
    }
}

/// `data.db`: what the site is.
#[derive(Clone)]
pub struct Data {
    writer: Writer,
    readers: Readers,
    fresh: Arc<Fresh>,
    origin: Arc<str>,
    path: Arc<Path>,
}

impl Data {
    /// Opens an existing `data.db` of this program's schema version.
    ///
    /// # Errors
    /// When it is missing, of another version, or cannot be opened.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("data.db");
        let schema = &schema::DATA;
        let writer = schema.check(connect(&path, schema)?, &path)?;
        let fresh = Arc::<Fresh>::default();
        let origin: Arc<str> = Uuid::now_v7().to_string().into();
        Ok(Self {
            writer: Writer::start("data.db", writer, Arc::clone(&origin), Arc::clone(&fresh)),
            readers: Readers::new(path.clone(), schema),
            fresh,
            origin,
            path: path.into(),
        })
    }

    /// Creates `data.db` when it is absent and migrates it, as [`prepare`] does
    /// with both databases.
    ///
    /// # Errors
    /// As [`prepare`].
    pub fn prepare(dir: &Path) -> Result<Prepared, Error> {
        schema::DATA.prepare(&dir.join("data.db"))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The transactions of this process.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The read connections of this process.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// What this process has put to the outbox, for its relay.
    pub(crate) fn fresh(&self) -> &Fresh {
        &self.fresh
    }

    /// Marks the outbox rows of this process.
    #[must_use]
    pub fn origin(&self) -> Arc<str> {
        Arc::clone(&self.origin)
    }

    /// Says that this process sends its outbox rows itself, until it is
    /// dropped.
    ///
    /// # Errors
    /// When the file that says so cannot be made.
    pub fn presence(&self) -> std::io::Result<Presence> {
        let dir = self.path.parent().unwrap_or(&self.path);
        Presence::new(dir, self.origin())
    }

    /// Whether a statement can be run: what readiness asks.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn ping(&self) -> Result<(), Error> {
        self.readers.read(|conn| Ok(conn.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }
}

/// `ttl.db`: what is to be forgotten.
#[derive(Clone)]
pub struct Ttl {
    writer: Writer,
    readers: Readers,
}

impl Ttl {
    /// Opens an existing `ttl.db` of this program's schema version.
    ///
    /// # Errors
    /// As [`Data::open`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("ttl.db");
        let schema = &schema::TTL;
        let writer = schema.check(connect(&path, schema)?, &path)?;
        let readers = Readers::new(path, schema);
        Ok(Self { writer: Writer::start("ttl.db", writer, "".into(), Arc::default()), readers })
    }

    /// Creates `ttl.db` when it is absent and migrates it, as [`prepare`] does
    /// with both databases.
    ///
    /// # Errors
    /// As [`prepare`].
    pub fn prepare(dir: &Path) -> Result<Prepared, Error> {
        schema::TTL.prepare(&dir.join("ttl.db"))
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }
}

/// Refuses a directory of which a database was written by a newer Hearth, and
/// changes nothing in it. What is absent is fine.
///
/// # Errors
/// [`Error::Newer`], or when a database cannot be read.
pub fn refuse_newer(dir: &Path) -> Result<(), Error> {
    schema::DATA.refuse_newer(&dir.join("data.db"))?;
    schema::TTL.refuse_newer(&dir.join("ttl.db"))
}

/// Creates `data.db` and `ttl.db` where absent and migrates them to this
/// version; when one of them is newer, the other is left as it is too.
///
/// # Errors
/// When one is newer than this program, or a migration fails (and is then
/// rolled back).
pub fn prepare(dir: &Path) -> Result<(Prepared, Prepared), Error> {
    refuse_newer(dir)?;
    Ok((Data::prepare(dir)?, Ttl::prepare(dir)?))
}

/// Opens `path` so that closing it never writes: before the version of a file
/// is known, its WAL is not ours to fold into it.
fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

/// Opens an existing file with the settings that every connection needs.
fn connect(path: &Path, schema: &Schema) -> Result<Connection, Error> {
    if rusqlite::version_number() < SAFE_SQLITE {
        return Err(Error::Vulnerable(rusqlite::version()));
    }
    if !path.exists() {
        return Err(Error::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = || -> rusqlite::Result<Connection> {
        let mut conn = open(path, flags)?;
        configure(&mut conn, schema)?;
        Ok(conn)
    };
    connected().map_err(|source| Error::Open { path: path.to_owned(), source })
}

fn configure(conn: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    conn.busy_handler(Some(wait_for_lock))?;
    // FULL: a commit that was answered survives a power cut.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // The root file system of a container is read-only.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    if schema.replicated {
        // Litestream alone checkpoints, else it would miss frames.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    } else {
        // What is forgotten is overwritten, not only marked as free.
        conn.pragma_update(None, "secure_delete", true)?;
    }
    Ok(())
}

/// Waits for another process's transaction, five seconds at most. SQLite's own
/// handler sleeps up to 100 ms at a time; a commit here takes a few tenths of
/// one.
fn wait_for_lock(tries: i32) -> bool {
    const SHORT: i32 = 100;
    let pause = if tries < SHORT { Duration::from_micros(50) } else { Duration::from_millis(1) };
    std::thread::sleep(pause);
    tries < SHORT + 5000
}

/// A UUID column.
fn uuid(text: &str) -> Result<Uuid, rusqlite::Error> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// One page of a list, and the cursor of the next.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Page<T> {
    /// What was asked for, at most as many as the limit.
    pub items: Vec<T>,
    /// Where the next page begins; `null` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts `items`, of which one more than `limit` was read, to a page.
    fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
