//! Makes everything that the site needs before it starts. Run twice, it
//! changes nothing the second time.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use shared::blobs::{self, Bucket};
use shared::bus::{self, Bus};
use shared::db::{self, Data, backups::snapshot, reconcile};
use shared::error::chain;
use shared::shutdown::Shutdown;
use tokio::time::{Instant, sleep};

use crate::backup::SENTINEL;
use crate::config::{Config, Stores};
use crate::litestream::{self, Check, Replica};
use crate::sentinel::has_replica;

/// How long a server that is starting is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// The site cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The store failed in a way that waiting does not mend.
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
    /// The replica could not be restored.
    #[error("data.db is absent and its replica cannot be restored; nothing was created")]
    Restore(#[source] litestream::Error),
    /// Without the store nobody knows whether there is a replica.
    #[error(
        "data.db is absent and the object store cannot be asked for a replica; an empty database \
         was not created, as it could take the place of a full one"
    )]
    NoStore(#[source] blobs::Error),
    /// There was a replica.
    #[error(
        "data.db is absent and the bucket {bucket} says that it holds a replica ({SENTINEL}), but \
         there is none: restore from a tier (`cron restore --from daily --to DIR`), or delete \
         {SENTINEL} to start with an empty site"
    )]
    ReplicaGone {
        /// The bucket.
        bucket: String,
    },
    /// A file could not be handled.
    #[error("cannot {doing}")]
    File {
        /// What was tried.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// NATS cannot be used.
    #[error(transparent)]
    Bus(#[from] bus::ConnectError),
    /// The streams are not there, and this is the first start, or that after a restore.
    #[error("the streams could not be made")]
    Streams(#[source] bus::StreamError),
    /// After a restore, NATS did not tell what it holds.
    #[error("the database was restored, and NATS does not tell which jobs it holds")]
    Reconcile(#[source] bus::queues::QueueError),
    /// It was told to stop.
    #[error("it was interrupted")]
    Interrupted,
}

/// Prepares the site, and tells each step to `say`.
///
/// # Errors
/// Why the site must not start. What it can do without for a while (a store or
/// NATS that is away, when the database is there) is only told.
pub async fn prepare(
    config: &Config,
    say: &mut impl FnMut(String),
    shutdown: &Shutdown,
) -> Result<(), Error> {
    tokio::select! {
        done = steps(config, say) => done,
        () = shutdown.cancelled() => Err(Error::Interrupted),
    }
}

async fn steps(config: &Config, say: &mut impl FnMut(String)) -> Result<(), Error> {
    let stores = Stores::new(config)?;
    make_dir(&config.data_dir)?;
    db::refuse_newer(&config.data_dir)?;
    let first = !config.data_db().exists();
    if first {
        restore_if_replicated(config, &stores, say).await?;
    }
    let (data, ttl) = db::prepare(&config.data_dir)?;
    say(format!("data.db: {}", tell(data)));
    say(format!("ttl.db: {}", tell(ttl)));
    // All at once: a store that is out of reach costs its timeout only once.
    let made = stores.all().map(async |bucket| (bucket.name(), bucket.ensure().await));
    for (name, made) in join_all(made).await {
        match made {
            Ok(true) => say(format!("bucket {name}: created")),
            Ok(false) => say(format!("bucket {name}: there")),
            Err(error) => say(format!("bucket {name}: {}", chain(&error))),
        }
    }
    let data = Data::open(&config.data_dir)?;
    let restored = reconcile::restored_at(&data).await?.is_some();
    let Some(url) = &config.nats_url else { return Ok(()) };
    let bus = Bus::connect(url, "cron prepare").await?;
    make_streams(&bus, first || restored, say).await?;
    if restored { reconcile_with(&bus, &data, say).await } else { Ok(()) }
}

/// NATS is where it was when the database was restored: what they disagree about is put
/// right before anybody works on it.
async fn reconcile_with(bus: &Bus, data: &Data, say: &mut impl FnMut(String)) -> Result<(), Error> {
    let held = bus.held().await.map_err(Error::Reconcile)?;
    bus.begin_events_anew().await.map_err(Error::Streams)?;
    let done = reconcile::after_restore(data, held).await?;
    say(format!("data.db: restored, and reconciled with NATS: {done}; events begin anew"));
    Ok(())
}

fn tell(done: db::Prepared) -> String {
    match done {
        db::Prepared { created: true, to, .. } => format!("created with schema {to}"),
        db::Prepared { from, to, .. } if from < to => {
            format!("migrated from schema {from} to {to}")
        }
        db::Prepared { to, .. } => format!("there, with schema {to}"),
    }
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let doing = || format!("make the directory {}", dir.display());
    std::fs::create_dir_all(dir).map_err(|source| Error::File { doing: doing(), source })
}

/// Puts the replica in the place of an absent `data.db`, if there is one.
async fn restore_if_replicated(
    config: &Config,
    stores: &Stores,
    say: &mut impl FnMut(String),
) -> Result<(), Error> {
    if !is_replicated(&stores.backup, say).await? {
        return Ok(());
    }
    say(format!("data.db: absent; restoring it from the bucket {}", stores.backup.name()));
    let fresh = config.data_dir.join("data.db.restored");
    clear_away(config, &fresh)?;
    let replica = Replica::Bucket(&config.local.s3, &config.local.backup);
    litestream::restore(replica, &fresh, None, Check::Quick).await.map_err(Error::Restore)?;
    snapshot::settle(&fresh)?;
    put_in_place(&fresh, &config.data_db())?;
    say("data.db: restored".to_owned());
    Ok(())
}

/// Whether there is a replica; waits for a store that is starting.
async fn is_replicated(backup: &Bucket, say: &mut impl FnMut(String)) -> Result<bool, Error> {
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match look(backup).await {
            Err(Error::Blobs(error)) if error.is_unavailable() => {
                if Instant::now() > until {
                    return Err(Error::NoStore(error));
                }
                if !std::mem::replace(&mut told, true) {
                    say("data.db: absent; waiting for the object store".to_owned());
                }
                sleep(PAUSE).await;
            }
            found => return found,
        }
    }
}

async fn look(backup: &Bucket) -> Result<bool, Error> {
    let replica = match has_replica(backup).await {
        Err(error) if error.is_no_bucket() => return Ok(false),
        found => found?,
    };
    match backup.head(SENTINEL).await {
        Ok(_) if !replica => Err(Error::ReplicaGone { bucket: backup.name().to_owned() }),
        Ok(_) => Ok(true),
        // A first start can end before the sentinel is written.
        Err(error) if error.is_not_found() => Ok(replica),
        Err(error) => Err(error.into()),
    }
}

/// What belonged to a database that is gone would be taken for the restored
/// one's: its log is set aside, Litestream's own notes are deleted.
fn clear_away(config: &Config, fresh: &Path) -> Result<(), Error> {
    let failed = |doing: String| move |source| Error::File { doing, source };
    let notes = config.data_dir.join(".data.db-litestream");
    for path in [fresh.to_owned(), notes] {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        absent_is_fine(removed).map_err(failed(format!("delete {}", path.display())))?;
    }
    for name in ["data.db-wal", "data.db-shm"] {
        let path = config.data_dir.join(name);
        let aside = config.data_dir.join(format!("{name}.before-restore"));
        absent_is_fine(std::fs::rename(&path, aside))
            .map_err(failed(format!("set {} aside", path.display())))?;
    }
    Ok(())
}

fn absent_is_fine(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Renames the whole file into place, durably.
fn put_in_place(fresh: &Path, place: &Path) -> Result<(), Error> {
    let put = || {
        std::fs::File::open(fresh)?.sync_all()?;
        std::fs::rename(fresh, place)?;
        std::fs::File::open(place.parent().unwrap_or(place))?.sync_all()
    };
    let doing = format!("put {} in place", place.display());
    put().map_err(|source| Error::File { doing, source })
}

/// On a first start the streams must be made, and after a restore NATS is asked what it
/// holds: then it is `needed`. Else they are there, and the site starts without NATS.
async fn make_streams(bus: &Bus, needed: bool, say: &mut impl FnMut(String)) -> Result<(), Error> {
    let until = Instant::now() + if needed { PATIENCE } else { PATIENCE / 3 };
    loop {
        match bus.ensure_streams().await {
            Ok(_) => {
                say("streams: there".to_owned());
                return Ok(());
            }
            Err(_) if Instant::now() < until => sleep(PAUSE).await,
            Err(error) if needed => return Err(Error::Streams(error)),
            Err(error) => {
                say(format!("streams: left as they are: {}", chain(&error)));
                return Ok(());
            }
        }
    }
}
