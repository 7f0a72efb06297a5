//! `cron restore`: a backup into an empty directory.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::blobs::Bucket;
use shared::db::backups::Tier;
use shared::db::backups::snapshot::{self, Facts};
use shared::time::Instant;

use crate::backup::drill::{make_parent, restore_replica, restore_snapshot};
use crate::backup::{Area, Entry, Error, Manifest, Scratch, Spooled, TierStore};
use crate::config::{Config, Stores};
use crate::litestream::{self, Check, Replica};

/// Downloads at once.
const TRANSFERS: usize = 16;

/// What to restore from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The replica in the box's own store.
    Live,
    /// An off-site tier.
    Tier(Tier),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "live" {
            return Ok(Self::Live);
        }
        text.parse()
            .map(Self::Tier)
            .map_err(|_| format!("{text:?} is none of live, daily, 1-week and 2-week"))
    }
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where from.
    pub from: From,
    /// The empty or new directory.
    pub to: PathBuf,
    /// As it was then, rather than at the last.
    pub at: Option<Instant>,
    /// The objects of the public and private buckets too.
    pub objects: bool,
}

/// What was restored.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// What it holds.
    pub facts: Facts,
    /// Objects that were written beside it, in `public/` and `private/`.
    pub objects: usize,
    /// When the site was copied; `None` for its live replica.
    pub taken_at: Option<Instant>,
}

/// Restores the database, checks it, and downloads the objects if wanted.
///
/// # Errors
/// When the directory is not empty, the backup is not there or damaged, or
/// what was restored is not sound.
pub async fn restore(config: &Config, stores: &Stores, wanted: &Wanted) -> Result<Restored, Error> {
    check_empty(&wanted.to)?;
    let scratch = Scratch::new(&wanted.to.join(".restoring"))?;
    let database = wanted.to.join("data.db");
    let (taken_at, objects) = match wanted.from {
        From::Live => {
            let replica = Replica::Bucket(&config.local.s3, &config.local.backup);
            litestream::restore(replica, &database, wanted.at, Check::Full).await?;
            (None, live_objects(stores, wanted, &scratch).await?)
        }
        From::Tier(tier) => {
            let bucket = stores.tier(tier).ok_or(Error::NoOffsite)?;
            let tier = TierStore::new(tier, bucket.clone());
            let (_, manifest) = tier.load().await?.ok_or(Error::EmptyTier(tier.tier))?;
            tier_database(&tier, &manifest, wanted, &scratch, &database).await?;
            let objects = tier_objects(&tier, &manifest, wanted, &scratch).await?;
            (Some(manifest.about.taken_at), objects)
        }
    };
    drop(scratch);
    let facts = check(database.clone()).await?;
    Ok(Restored {
        database,
        facts,
        objects,
        taken_at,
    })
}

fn check_empty(dir: &Path) -> Result<(), Error> {
    let first = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => {
            return Err(Error::File {
                doing: "read",
                path: dir.to_owned(),
                source,
            });
        }
    };
    if first.is_none() {
        Ok(())
    } else {
        Err(Error::NotEmpty(dir.to_owned()))
    }
}

async fn check(database: PathBuf) -> Result<Facts, Error> {
    let work = move || snapshot::check(&database);
    Ok(tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Panicked)??)
}

/// At the last: the independent snapshot, which must be what its manifest
/// says. At a moment: from the tier's copy of the replica.
async fn tier_database(
    tier: &TierStore,
    manifest: &Manifest,
    wanted: &Wanted,
    scratch: &Scratch,
    database: &Path,
) -> Result<(), Error> {
    if wanted.at.is_some() {
        return restore_replica(tier, manifest, scratch, database, wanted.at).await;
    }
    restore_snapshot(tier, manifest, scratch, database).await?;
    let facts = check(database.to_owned()).await?;
    if facts == manifest.about.facts {
        return Ok(());
    }
    Err(Error::Differs(format!(
        "{facts:?} instead of {:?}",
        manifest.about.facts
    )))
}

async fn tier_objects(
    tier: &TierStore,
    manifest: &Manifest,
    wanted: &Wanted,
    scratch: &Scratch,
) -> Result<usize, Error> {
    if !wanted.objects {
        return Ok(0);
    }
    let entries = manifest
        .area(Area::Public)
        .chain(manifest.area(Area::Private));
    let writes = entries.map(async |entry: &Entry| {
        let path = wanted.to.join(entry.area.as_str()).join(safe(&entry.key)?);
        make_parent(&path).await?;
        tier.fetch(entry.sha256, scratch).await?.save(&path).await?;
        Ok::<_, Error>(1)
    });
    let counts = stream::iter(writes).buffer_unordered(TRANSFERS);
    counts.try_fold(0, async |sum, one| Ok(sum + one)).await
}

async fn live_objects(stores: &Stores, wanted: &Wanted, scratch: &Scratch) -> Result<usize, Error> {
    if !wanted.objects {
        return Ok(0);
    }
    let mut count = 0;
    for (bucket, area) in [
        (&stores.public, Area::Public),
        (&stores.private, Area::Private),
    ] {
        let dir = wanted.to.join(area.as_str());
        let mut pages = std::pin::pin!(bucket.list(""));
        while let Some(page) = pages.try_next().await? {
            let keys = page.objects.iter().map(|object| object.key.as_str());
            let saves = keys.map(|key| save(bucket, key, &dir, scratch));
            let saves = stream::iter(saves).buffer_unordered(TRANSFERS);
            count += saves.try_fold(0, async |sum, one| Ok(sum + one)).await?;
        }
    }
    Ok(count)
}

async fn save(bucket: &Bucket, key: &str, dir: &Path, scratch: &Scratch) -> Result<usize, Error> {
    let path = dir.join(safe(key)?);
    make_parent(&path).await?;
    Spooled::read(bucket.get(key).await?, scratch)
        .await?
        .save(&path)
        .await?;
    Ok(1)
}

/// A key as a path that cannot leave the directory.
fn safe(key: &str) -> Result<&Path, Error> {
    let path = Path::new(key);
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    if !key.is_empty() && path.components().all(plain) {
        return Ok(path);
    }
    let problem = "its key cannot be a path".to_owned();
    Err(Error::Unreadable {
        name: key.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leaves_the_directory() {
        for key in ["../x", "/etc/passwd", "a/../../b", ""] {
            assert!(safe(key).is_err(), "{key:?}");
        }
        assert!(safe("ab/photo.jpg").is_ok());
    }

    #[test]
    fn a_source_is_named_as_in_the_contract() {
        assert_eq!("live".parse(), Ok(From::Live));
        assert_eq!("2-week".parse(), Ok(From::Tier(Tier::Biweekly)));
        assert!("weekly".parse::<From>().is_err());
    }
}
