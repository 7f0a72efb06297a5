//! The objects of a backup: into directories, or back into the site's buckets.

use std::path::Path;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use shared::blobs::{Bucket, PutOptions};

use crate::backup::drill::make_parent;
use crate::backup::{Area, Entry, Error, Manifest, Scratch, Spooled, TierStore};
use crate::config::Stores;

/// Transfers at once.
const TRANSFERS: usize = 16;

const AREAS: [Area; 2] = [Area::Public, Area::Private];

/// Writes a tier's objects below `dir`; gives how many.
pub(super) async fn save_tier(
    tier: &TierStore,
    manifest: &Manifest,
    dir: &Path,
    scratch: &Scratch,
) -> Result<usize, Error> {
    let entries = AREAS.into_iter().flat_map(|area| manifest.area(area));
    let saves = entries.map(async |entry: &Entry| {
        let path = dir.join(entry.area.as_str()).join(safe(&entry.key)?);
        make_parent(&path).await?;
        tier.fetch(entry.sha256, scratch).await?.save(&path).await?;
        Ok(1)
    });
    sum(stream::iter(saves).buffer_unordered(TRANSFERS)).await
}

/// Writes the site's own objects below `dir`; gives how many.
pub(super) async fn save_live(
    stores: &Stores,
    dir: &Path,
    scratch: &Scratch,
) -> Result<usize, Error> {
    let mut count = 0;
    for (bucket, area) in [&stores.public, &stores.private].into_iter().zip(AREAS) {
        let dir = dir.join(area.as_str());
        let mut pages = std::pin::pin!(bucket.list(""));
        while let Some(page) = pages.try_next().await? {
            let keys = page.objects.iter().map(|object| object.key.as_str());
            let saves = keys.map(|key| save_one(bucket, key, &dir, scratch));
            count += sum(stream::iter(saves).buffer_unordered(TRANSFERS)).await?;
        }
    }
    Ok(count)
}

async fn save_one(
    bucket: &Bucket,
    key: &str,
    dir: &Path,
    scratch: &Scratch,
) -> Result<usize, Error> {
    let path = dir.join(safe(key)?);
    make_parent(&path).await?;
    Spooled::read(bucket.get(key).await?, scratch).await?.save(&path).await?;
    Ok(1)
}

/// Puts a tier's objects back into the buckets they came from, with their
/// headers, and leaves alone what is there already; gives how many it put.
pub(super) async fn put_back(
    tier: &TierStore,
    manifest: &Manifest,
    stores: &Stores,
    scratch: &Scratch,
) -> Result<usize, Error> {
    let buckets = [&stores.public, &stores.private];
    for bucket in buckets {
        bucket.ensure().await?;
    }
    let entries = AREAS
        .into_iter()
        .zip(buckets)
        .flat_map(|(area, bucket)| manifest.area(area).map(move |entry| (bucket, entry)));
    let puts = entries.map(async |(bucket, entry): (&Bucket, &Entry)| {
        match bucket.head(&entry.key).await {
            Ok(_) => return Ok(0),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let options = PutOptions {
            content_type: entry.content_type.clone(),
            cache_control: entry.cache_control.clone(),
            sha256: Some(entry.sha256),
        };
        tier.fetch(entry.sha256, scratch).await?.put(bucket, &entry.key, options).await?;
        Ok(1)
    });
    sum(stream::iter(puts).buffer_unordered(TRANSFERS)).await
}

async fn sum(counts: impl Stream<Item = Result<usize, Error>>) -> Result<usize, Error> {
    counts.try_fold(0, async |sum, count| Ok(sum + count)).await
}

/// A key as a path that cannot leave the directory.
fn safe(key: &str) -> Result<&Path, Error> {
    let path = Path::new(key);
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    if !key.is_empty() && path.components().all(plain) {
        return Ok(path);
    }
    let problem = "its key cannot be a path".to_owned();
    Err(Error::Unreadable { name: key.to_owned(), problem })
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
}
