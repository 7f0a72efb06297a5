//! Restore drills: only what was restored once is a backup.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::db::Data;
use shared::db::backups::snapshot::{self, Facts};
use shared::db::backups::{Tier, drills};
use shared::error::chain;
use shared::shutdown::Shutdown;
use shared::time::Instant;

use super::{Area, Drilled, Entry, Error, Lease, Manifest, Scratch, TRANSFERS, TierStore};
use crate::config::{Config, Stores};
use crate::litestream::{self, Check, REPLICA_PATH, Replica};

/// Objects that are read back and digested, beside those of the database.
const SAMPLE: usize = 64;

/// What a drill found to be right.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What the restored database holds.
    pub facts: Facts,
    /// Objects that were read back and had their digest.
    pub objects: usize,
}

/// Restores the database from `tier` in both ways, reads a sample of its
/// objects back, and writes into the head whether all was right.
///
/// # Errors
/// What was wrong, or what kept the drill from being done.
pub async fn prove(tier: &TierStore, scratch: &Scratch) -> Result<Proof, Error> {
    let loaded = tier.load().await?;
    let (mut head, manifest) = loaded.ok_or(Error::EmptyTier(tier.tier))?;
    let outcome = prove_manifest(tier, &manifest, scratch).await;
    if outcome.as_ref().err().is_some_and(is_passing) {
        return outcome;
    }
    head.drill = Some(Drilled { passed: outcome.is_ok(), at: Instant::now() });
    tier.write_head(&head).await?;
    outcome
}

/// A store that is away says nothing about what it holds.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Blobs(error) if error.is_unavailable())
}

async fn prove_manifest(
    tier: &TierStore,
    manifest: &Manifest,
    scratch: &Scratch,
) -> Result<Proof, Error> {
    tier.check_complete(manifest, &tier.index().await?)?;
    let snapshot = scratch.fresh();
    restore_snapshot(tier, manifest, scratch, &snapshot).await?;
    let facts = check(snapshot).await?;
    if facts != manifest.about.facts {
        return Err(Error::Differs(format!("{facts:?} instead of {:?}", manifest.about.facts)));
    }
    let replica = scratch.fresh();
    restore_replica(tier, manifest, scratch, &replica, None).await?;
    compare(&check(replica).await?, &facts, manifest.about.replica_synced)?;
    let objects = read_sample(tier, manifest, scratch).await?;
    Ok(Proof { facts, objects })
}

/// Proves `tier` under the lease, and records the drill as that of its last
/// copy.
///
/// # Errors
/// [`Error::Busy`] when a backup is under way, and what was wrong.
pub async fn of_tier(
    data: &Data,
    config: &Config,
    stores: &Stores,
    tier: Tier,
    shutdown: &Shutdown,
) -> Result<Proof, Error> {
    let store = TierStore::new(tier, stores.tier(tier).ok_or(Error::NoOffsite)?.clone());
    let lease = Lease::take(data, config).await?;
    tracing::info!(source = %tier, "the restore drill begins");
    let scratch = Scratch::new(&config.scratch())?;
    let outcome = tokio::select! {
        outcome = prove(&store, &scratch) => outcome,
        () = lease.lost().cancelled() => Err(Error::Interrupted),
        () = shutdown.cancelled() => Err(Error::Interrupted),
    };
    if !matches!(outcome, Err(Error::Interrupted | Error::EmptyTier(_))) {
        let problem = outcome.as_ref().err().map(|error| chain(error));
        drills::of_tier(data, tier, problem).await?;
    }
    lease.release(data).await;
    outcome
}

/// Proves the live replica under the lease, and records the drill.
///
/// # Errors
/// [`Error::Busy`] when a backup is under way, and what was wrong.
pub async fn live(data: &Data, config: &Config, shutdown: &Shutdown) -> Result<Proof, Error> {
    let lease = Lease::take(data, config).await?;
    tracing::info!(source = drills::LIVE, "the restore drill begins");
    let outcome = tokio::select! {
        outcome = prove_live(config) => outcome,
        () = lease.lost().cancelled() => Err(Error::Interrupted),
        () = shutdown.cancelled() => Err(Error::Interrupted),
    };
    if !matches!(outcome, Err(Error::Interrupted)) {
        drills::of_live(data, outcome.as_ref().err().map(|error| chain(error))).await?;
    }
    lease.release(data).await;
    outcome
}

/// Has Litestream replicate all there is, restores the replica, and compares
/// it with the live database.
async fn prove_live(config: &Config) -> Result<Proof, Error> {
    let scratch = Scratch::new(&config.scratch())?;
    let live = config.data_db();
    let before = live.clone();
    let look = tokio::task::spawn_blocking(move || snapshot::look(&before));
    let expected = look.await.map_err(|_| Error::Panicked)??;
    litestream::sync(&config.litestream_socket(), &live).await?;
    let restored = scratch.fresh();
    let replica = Replica::Bucket(&config.local.s3, &config.local.backup);
    litestream::restore(replica, &restored, None, Check::Full).await?;
    let facts = check(restored).await?;
    compare(&facts, &expected, true)?;
    Ok(Proof { facts, objects: 0 })
}

async fn check(file: PathBuf) -> Result<Facts, Error> {
    let work = move || snapshot::check(&file);
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| Error::Panicked)??)
}

/// A replica may be older than the facts unless it was `synced` after them,
/// and rows may have been deleted since; it may not be of another schema, nor
/// miss the newest post or comment.
fn compare(restored: &Facts, expected: &Facts, synced: bool) -> Result<(), Error> {
    let differs = |what: &str| Err(Error::Differs(format!("{what}: {restored:?}, {expected:?}")));
    if restored.schema != expected.schema {
        return differs("it has another schema");
    }
    if synced && restored.newest_post < expected.newest_post {
        return differs("its newest post is older");
    }
    if synced && restored.newest_comment < expected.newest_comment {
        return differs("its newest comment is older");
    }
    Ok(())
}

/// Writes the tier's snapshot of the database to the new file `to`.
///
/// # Errors
/// When it is not there, damaged, or cannot be written.
pub async fn restore_snapshot(
    tier: &TierStore,
    manifest: &Manifest,
    scratch: &Scratch,
    to: &Path,
) -> Result<(), Error> {
    let entry = manifest.area(Area::Snapshot).next().ok_or_else(|| Error::Unreadable {
        name: manifest.key(),
        problem: "it names no snapshot of the database".to_owned(),
    })?;
    tier.fetch(entry.sha256, scratch).await?.save(to).await
}

/// Restores the database from the tier's copy of the replica, as it was at
/// `at` or at the last, into the new file `to`.
///
/// # Errors
/// When files of it are damaged, or Litestream cannot restore from them.
pub async fn restore_replica(
    tier: &TierStore,
    manifest: &Manifest,
    scratch: &Scratch,
    to: &Path,
    at: Option<Instant>,
) -> Result<(), Error> {
    let replica = scratch.fresh();
    let files: Vec<_> = manifest.area(Area::Backup).filter_map(replica_file).collect();
    let transfers = files.into_iter().map(async |(path, entry)| {
        let path = replica.join(path);
        make_parent(&path).await?;
        let (spooled, written) =
            (tier.fetch(entry.sha256, scratch).await?, entry.modified.as_deref());
        spooled.save(&path).await?;
        set_time(&path, written)
    });
    stream::iter(transfers).buffer_unordered(TRANSFERS).try_collect::<()>().await?;
    Ok(litestream::restore(Replica::Directory(&replica), to, at, Check::Full).await?)
}

/// Where a file of the replica lies in a directory: buckets name the levels
/// `0000` to `0009`, directories `ltx/0` to `ltx/9`.
fn replica_file(entry: &Entry) -> Option<(String, &Entry)> {
    let (level, name) = entry.key.strip_prefix(REPLICA_PATH)?.strip_prefix('/')?.split_once('/')?;
    let level = u32::from_str_radix(level, 16).ok()?;
    Some((format!("ltx/{level}/{name}"), entry))
}

/// Litestream tells by a file's time what belongs to a moment.
fn set_time(path: &Path, written: Option<&str>) -> Result<(), Error> {
    let Some(at) = written.and_then(|text| Instant::parse(text).ok()) else {
        return Ok(());
    };
    let since = std::time::Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0));
    let set = || {
        std::fs::File::options()
            .write(true)
            .open(path)?
            .set_modified(std::time::SystemTime::UNIX_EPOCH + since)
    };
    set().map_err(|source| Error::File { doing: "set the time of", path: path.to_owned(), source })
}

pub(crate) async fn make_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    tokio::fs::create_dir_all(parent).await.map_err(|source| {
        let path = parent.to_owned();
        Error::File { doing: "make the directory", path, source }
    })
}

/// Reads some objects back, evenly spread over the manifest.
async fn read_sample(
    tier: &TierStore,
    manifest: &Manifest,
    scratch: &Scratch,
) -> Result<usize, Error> {
    let objects: Vec<&Entry> =
        manifest.area(Area::Public).chain(manifest.area(Area::Private)).collect();
    let sample = objects.iter().step_by(objects.len().div_ceil(SAMPLE).max(1));
    let reads = sample.map(async |entry| tier.fetch(entry.sha256, scratch).await.map(|_| 1));
    let counts = stream::iter(reads).buffer_unordered(TRANSFERS);
    counts.try_fold(0, async |sum, one| Ok(sum + one)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synced_replica_may_not_miss_the_newest_comment() {
        let expected = Facts { newest_comment: Some("b".to_owned()), ..Facts::default() };
        let older = Facts { newest_comment: Some("a".to_owned()), ..Facts::default() };
        let newer = Facts { newest_comment: Some("c".to_owned()), ..Facts::default() };
        assert!(compare(&older, &expected, true).is_err());
        assert!(compare(&older, &expected, false).is_ok());
        assert!(compare(&newer, &expected, true).is_ok());
        assert!(compare(&Facts { schema: 1, ..expected.clone() }, &expected, false).is_err());
    }
}
