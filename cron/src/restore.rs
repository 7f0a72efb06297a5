//! `cron restore`: a backup into an empty directory.

mod objects;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use shared::db::backups::Tier;
use shared::db::backups::snapshot::{self, Facts};
use shared::time::Instant;

use crate::backup::drill::{restore_replica, restore_snapshot};
use crate::backup::{Error, Manifest, Scratch, TierStore};
use crate::config::{Config, Stores};
use crate::litestream::{self, Check, Replica};

/// What to restore from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The replica in the box's own store.
    Live,
    /// An off-site tier.
    Tier(Tier),
}

impl From {
    /// Its name in commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Tier(tier) => tier.as_str(),
        }
    }
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
    /// A tier's objects back into the public and private buckets.
    pub put_back: bool,
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
    /// Objects that were put back into the site's buckets.
    pub put_back: usize,
    /// When the site was copied; `None` for its live replica.
    pub taken_at: Option<Instant>,
}

/// Restores the database, checks it, and brings the objects that are wanted.
/// The database appears in the directory when all else is done.
///
/// # Errors
/// When the directory is not empty, the backup is not there or damaged, or
/// what was restored is not sound.
pub async fn restore(config: &Config, stores: &Stores, wanted: &Wanted) -> Result<Restored, Error> {
    check_empty(&wanted.to)?;
    let _tidy = Tidy::new(&wanted.to);
    let scratch = Scratch::new(&wanted.to.join(".restoring"))?;
    let fresh = scratch.fresh();
    let mut restored = Restored {
        database: wanted.to.join("data.db"),
        facts: Facts::default(),
        objects: 0,
        put_back: 0,
        taken_at: None,
    };
    match wanted.from {
        From::Live => from_live(config, stores, wanted, &scratch, &fresh, &mut restored).await?,
        From::Tier(tier) => {
            let bucket = stores.tier(tier).ok_or(Error::NoOffsite)?;
            let tier = TierStore::new(tier, bucket.clone());
            from_tier(&tier, stores, wanted, &scratch, &fresh, &mut restored).await?;
        }
    }
    snapshot::settle(&fresh)?;
    std::fs::rename(&fresh, &restored.database).map_err(|source| {
        let path = restored.database.clone();
        Error::File { doing: "put in place", path, source }
    })?;
    Ok(restored)
}

async fn from_live(
    config: &Config,
    stores: &Stores,
    wanted: &Wanted,
    scratch: &Scratch,
    fresh: &Path,
    restored: &mut Restored,
) -> Result<(), Error> {
    let replica = Replica::Bucket(&config.local.s3, &config.local.backup);
    litestream::restore(replica, fresh, wanted.at, Check::Full).await?;
    restored.facts = check(fresh).await?;
    if wanted.objects {
        restored.objects = objects::save_live(stores, &wanted.to, scratch).await?;
    }
    Ok(())
}

async fn from_tier(
    tier: &TierStore,
    stores: &Stores,
    wanted: &Wanted,
    scratch: &Scratch,
    fresh: &Path,
    restored: &mut Restored,
) -> Result<(), Error> {
    let (_, manifest) = tier.load().await?.ok_or(Error::EmptyTier(tier.tier))?;
    restored.taken_at = Some(manifest.about.taken_at);
    restored.facts = tier_database(tier, &manifest, wanted.at, scratch, fresh).await?;
    if wanted.objects {
        restored.objects = objects::save_tier(tier, &manifest, &wanted.to, scratch).await?;
    }
    if wanted.put_back {
        restored.put_back = objects::put_back(tier, &manifest, stores, scratch).await?;
    }
    Ok(())
}

/// At the last: the independent snapshot, which must be what its manifest
/// says. At a moment: from the tier's copy of the replica.
async fn tier_database(
    tier: &TierStore,
    manifest: &Manifest,
    at: Option<Instant>,
    scratch: &Scratch,
    fresh: &Path,
) -> Result<Facts, Error> {
    if at.is_some() {
        restore_replica(tier, manifest, scratch, fresh, at).await?;
        return check(fresh).await;
    }
    restore_snapshot(tier, manifest, scratch, fresh).await?;
    let facts = check(fresh).await?;
    if facts == manifest.about.facts {
        return Ok(facts);
    }
    Err(Error::Differs(format!("{facts:?} instead of {:?}", manifest.about.facts)))
}

fn check_empty(dir: &Path) -> Result<(), Error> {
    let first = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Error::NoDirectory(dir.to_owned()));
        }
        Err(source) => {
            return Err(Error::File { doing: "read", path: dir.to_owned(), source });
        }
    };
    if first.is_none() { Ok(()) } else { Err(Error::NotEmpty(dir.to_owned())) }
}

/// Removes a directory at the end that was not there before and holds nothing: that of a
/// restore that failed.
struct Tidy<'a>(Option<&'a Path>);

impl<'a> Tidy<'a> {
    fn new(dir: &'a Path) -> Self {
        Self((!dir.exists()).then_some(dir))
    }
}

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        let _used = self.0.map(std::fs::remove_dir);
    }
}

async fn check(database: &Path) -> Result<Facts, Error> {
    let database = database.to_owned();
    let work = move || snapshot::check(&database);
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| Error::Panicked)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_as_in_the_contract() {
        assert_eq!("live".parse(), Ok(From::Live));
        assert_eq!("2-week".parse(), Ok(From::Tier(Tier::Biweekly)));
        assert!("weekly".parse::<From>().is_err());
    }
}
