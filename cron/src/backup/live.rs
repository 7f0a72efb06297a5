//! Site to daily tier.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::blobs::{Bucket, Listed, PutOptions};
use shared::db::backups::snapshot::{self, Facts};
use shared::error::chain;
use shared::time::Instant;
use uuid::Uuid;

use super::run::{Context, Copied};
use super::tier::Index;
use super::{Area, Entry, Error, Manifest, SENTINEL, Spooled, TRANSFERS, TierStore, guard};
use crate::litestream::{self, REPLICA_PATH};

/// The key of the snapshot in its area.
pub(super) const SNAPSHOT: &str = "data.db";
/// How often the replica is listed again because its files were superseded.
const ROUNDS: usize = 6;
/// How often an object is read again because it changed.
const READS: usize = 5;

/// An object of the site, as it was listed.
type Source = (Area, Listed);

/// What was listed, taken apart: what the tier has, and what it lacks.
struct Plan {
    kept: Vec<Entry>,
    wanted: Vec<Source>,
}

/// Copies the site's objects and a snapshot of its database into `tier`.
///
/// # Errors
/// Why the tier is still what it was before.
pub(super) async fn copy(context: &Context<'_>, tier: &TierStore) -> Result<Copied, Error> {
    check_sentinel(&context.stores.backup).await?;
    let taken_at = Instant::now();
    let (snapshot, facts) = take_snapshot(context).await?;
    let replica_synced = sync_replica(context).await;
    let (sources, index, before) = tokio::try_join!(list_site(context), tier.index(), tier.load())?;
    let before = before.map(|(_, manifest)| manifest);
    if let Some(before) = before.as_ref().filter(|_| !context.options.force) {
        guard::check(before, sources.iter().map(|(area, _)| *area), &facts)?;
    }
    let known = before.map(|manifest| manifest.entries).unwrap_or_default();
    if context.options.dry_run {
        return Ok(Copied { taken_at: Some(taken_at), ..foresee(&known, sources, &index) });
    }
    let copying = Copying { context, tier, index: Mutex::new(index), sent: Mutex::new(0) };
    let mut entries = copying.settle(known, sources).await?;
    entries.push(copying.keep_snapshot(snapshot).await?);
    let id = Uuid::now_v7().to_string();
    let manifest = Manifest::of_site(id, taken_at, entries, facts, replica_synced);
    copying.publish(manifest).await
}

async fn check_sentinel(backup: &Bucket) -> Result<(), Error> {
    match backup.head(SENTINEL).await {
        Err(error) if error.is_not_found() => {
            Err(Error::NoSentinel { bucket: backup.name().to_owned() })
        }
        found => Ok(found.map(drop)?),
    }
}

/// An independent, checked copy of the database in one file.
async fn take_snapshot(context: &Context<'_>) -> Result<(Spooled, Facts), Error> {
    let (from, to) = (context.config.data_db(), context.scratch.fresh());
    let file: PathBuf = to.clone();
    let work = move || {
        snapshot::take(&from, &file)?;
        snapshot::check(&file)
    };
    let facts = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Panicked)??;
    Ok((Spooled::of_file(to).await?, facts))
}

/// Whether the replica now holds at least what the snapshot holds. Where
/// Litestream is not running, as under a command, the copy goes on without.
async fn sync_replica(context: &Context<'_>) -> bool {
    let (socket, db) = (context.config.litestream_socket(), context.config.data_db());
    match litestream::sync(&socket, &db).await {
        Ok(()) => true,
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(error, "the replica is copied as it is, without a sync before");
            false
        }
    }
}

async fn list_site(context: &Context<'_>) -> Result<Vec<Source>, Error> {
    let stores = context.stores;
    let (mut sources, private, replica) = tokio::try_join!(
        list(&stores.public, Area::Public),
        list(&stores.private, Area::Private),
        list_replica(&stores.backup),
    )?;
    sources.extend(private);
    sources.extend(replica);
    Ok(sources)
}

/// In the order of keys, so of Litestream's levels: its files only move up, and
/// one that moves while this lists is seen at least once.
async fn list_replica(backup: &Bucket) -> Result<Vec<Source>, Error> {
    let sources = list(backup, Area::Backup).await?;
    let prefix = format!("{REPLICA_PATH}/");
    if sources.iter().any(|(_, object)| object.key.starts_with(&prefix)) {
        Ok(sources)
    } else {
        Err(Error::NoReplica { bucket: backup.name().to_owned() })
    }
}

async fn list(bucket: &Bucket, area: Area) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    let mut pages = std::pin::pin!(bucket.list(""));
    while let Some(page) = pages.try_next().await? {
        sources.extend(page.objects.into_iter().map(|object| (area, object)));
    }
    Ok(sources)
}

/// Joins the listing with what is known: an object is kept when its size, tag
/// and time are those of the manifest and the tier still has it.
fn plan(known: &[Entry], sources: Vec<Source>, index: &Index) -> Plan {
    let known: HashMap<(Area, &str), &Entry> =
        known.iter().map(|entry| ((entry.area, entry.key.as_str()), entry)).collect();
    let (mut kept, mut wanted) = (Vec::new(), Vec::new());
    for (area, object) in sources {
        let unchanged = known.get(&(area, object.key.as_str())).filter(|entry| {
            entry.size == object.size
                && entry.etag == object.etag
                && entry.modified == object.last_modified
                && index.get(&entry.sha256) == Some(&entry.size)
        });
        match unchanged {
            Some(entry) => kept.push((*entry).clone()),
            None => wanted.push((area, object)),
        }
    }
    Plan { kept, wanted }
}

fn foresee(known: &[Entry], sources: Vec<Source>, index: &Index) -> Copied {
    let bytes = sources.iter().map(|(_, object)| object.size).sum();
    let objects = sources.len() + 1;
    let Plan { kept, wanted } = plan(known, sources, index);
    let used: std::collections::HashSet<_> = kept.iter().map(|entry| entry.sha256).collect();
    let deleted = index.keys().filter(|digest| !used.contains(*digest)).count();
    let (copied, verified) = (wanted.len() + 1, kept.len());
    Copied { objects, bytes, copied, deleted, verified, taken_at: None }
}

/// A copy under way.
struct Copying<'a> {
    context: &'a Context<'a>,
    tier: &'a TierStore,
    index: Mutex<Index>,
    sent: Mutex<usize>,
}

impl Copying<'_> {
    /// Copies what is wanted until nothing of the replica went away meanwhile.
    async fn settle(
        &self,
        mut known: Vec<Entry>,
        mut sources: Vec<Source>,
    ) -> Result<Vec<Entry>, Error> {
        for _ in 0..ROUNDS {
            let Plan { kept, wanted } = plan(&known, sources, &self.lock_index());
            let total = wanted.len();
            let transfers = wanted.into_iter().map(|source| self.transfer(source));
            let (mut entries, mut superseded) = (kept, false);
            let mut running = stream::iter(transfers).buffer_unordered(TRANSFERS);
            let mut done = 0;
            while let Some((area, entry)) = running.try_next().await? {
                superseded |= area == Area::Backup && entry.is_none();
                entries.extend(entry);
                done += 1;
                self.context.progress(done, total);
            }
            if !superseded {
                return Ok(entries);
            }
            sources = list_site(self.context).await?;
            known = entries;
        }
        Err(Error::Restless(ROUNDS))
    }

    /// One object; no entry when it is gone.
    async fn transfer(&self, (area, listed): Source) -> Result<(Area, Option<Entry>), Error> {
        let bucket = match area {
            Area::Public => &self.context.stores.public,
            Area::Private => &self.context.stores.private,
            Area::Backup | Area::Snapshot => &self.context.stores.backup,
        };
        let mut etag = listed.etag;
        let mut modified = listed.last_modified;
        for _ in 0..READS {
            match bucket.get_if_match(&listed.key, &etag).await {
                Ok(object) => {
                    let spooled = Spooled::read(object, self.context.scratch).await?;
                    self.store(&spooled, spooled.options()).await?;
                    return Ok((area, Some(entry(area, listed.key, &spooled, modified))));
                }
                Err(error) if error.is_changed() => {}
                Err(error) if error.is_not_found() => return Ok((area, None)),
                Err(error) => return Err(error.into()),
            }
            // It changed since it was listed: the time that the listing gave is
            // not this content's, so the next copy looks at it again.
            modified = None;
            match bucket.head(&listed.key).await {
                Ok(head) => etag = head.etag,
                Err(error) if error.is_not_found() => return Ok((area, None)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::KeepsChanging(format!("{}/{}", bucket.name(), listed.key)))
    }

    async fn keep_snapshot(&self, snapshot: Spooled) -> Result<Entry, Error> {
        let options = PutOptions::typed("application/vnd.sqlite3");
        self.store(&snapshot, options).await?;
        Ok(entry(Area::Snapshot, SNAPSHOT.to_owned(), &snapshot, None))
    }

    /// Stores it unless the tier has it, under whatever name.
    async fn store(&self, spooled: &Spooled, options: PutOptions) -> Result<(), Error> {
        if self.lock_index().get(&spooled.digest) == Some(&spooled.length) {
            return Ok(());
        }
        self.tier.put(spooled, options).await?;
        self.lock_index().insert(spooled.digest, spooled.length);
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ok(())
    }

    async fn publish(self, manifest: Manifest) -> Result<Copied, Error> {
        let index = self.index.into_inner().unwrap_or_else(PoisonError::into_inner);
        let copied = self.sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        super::run::publish(self.context, self.tier, &manifest, &index, copied).await
    }

    fn lock_index(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(area: Area, key: String, spooled: &Spooled, modified: Option<String>) -> Entry {
    let metadata = &spooled.metadata;
    Entry {
        area,
        key,
        size: spooled.length,
        sha256: spooled.digest,
        etag: metadata.etag.clone(),
        modified,
        content_type: metadata.content_type.clone(),
        cache_control: metadata.cache_control.clone(),
    }
}

#[cfg(test)]
mod tests {
    use shared::blobs::Digest;

    use super::*;

    fn listed(key: &str, etag: &str, at: &str) -> Source {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        (Area::Public, Listed { key, size: 3, etag, last_modified: Some(at.to_owned()) })
    }

    fn known(key: &str) -> Entry {
        Entry {
            area: Area::Public,
            key: key.to_owned(),
            size: 3,
            sha256: Digest::of(key.as_bytes()),
            etag: "e".to_owned(),
            modified: Some("noon".to_owned()),
            content_type: None,
            cache_control: None,
        }
    }

    #[test]
    fn only_what_is_unchanged_and_still_in_the_tier_is_kept() {
        let entries = ["same", "touched", "rewritten", "lost"].map(known);
        let mut index: Index = entries.iter().map(|entry| (entry.sha256, 3)).collect();
        index.remove(&Digest::of(b"lost"));
        let sources = vec![
            listed("same", "e", "noon"),
            listed("touched", "e", "later"),
            listed("rewritten", "f", "noon"),
            listed("lost", "e", "noon"),
            listed("new", "e", "noon"),
        ];
        let Plan { kept, wanted } = plan(&entries, sources, &index);
        let kept: Vec<_> = kept.into_iter().map(|entry| entry.key).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|(_, object)| object.key).collect();
        assert_eq!(kept, ["same"]);
        assert_eq!(wanted, ["touched", "rewritten", "lost", "new"]);
    }
}
