//! A tier's bucket: objects by digest, manifests, the head.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::TryStreamExt;
use shared::blobs::{Bucket, Digest, PutOptions};
use shared::db::backups::Tier;
use shared::time::Instant;

use super::{Entry, Error, Head, Manifest, Spooled};

const OBJECTS: &str = "objects/";
pub(super) const MANIFESTS: &str = "manifests/";
const HEAD: &str = "head.json";
/// More than a manifest of a million objects.
const MANIFEST_LIMIT: usize = 512 * 1024 * 1024;
const HEAD_LIMIT: usize = 64 * 1024;

/// A tier and the bucket that holds it.
#[derive(Debug, Clone)]
pub struct TierStore {
    /// Which tier.
    pub tier: Tier,
    bucket: Bucket,
}

/// The sizes of the objects that a tier's bucket lists.
pub type Index = HashMap<Digest, u64>;

impl TierStore {
    /// The tier in `bucket`.
    #[must_use]
    pub fn new(tier: Tier, bucket: Bucket) -> Self {
        Self { tier, bucket }
    }

    /// The head and its manifest, checked against each other; `None` when
    /// nothing was ever copied here.
    ///
    /// # Errors
    /// When the store fails or a document is damaged.
    pub async fn load(&self) -> Result<Option<(Head, Manifest)>, Error> {
        let Some(head) = self.head().await? else {
            return Ok(None);
        };
        match self.manifest(&head).await {
            // The head was swapped between the two reads.
            Err(Error::Blobs(error)) if error.is_not_found() => {
                let Some(head) = self.head().await? else {
                    return Ok(None);
                };
                let manifest = self.manifest(&head).await?;
                Ok(Some((head, manifest)))
            }
            manifest => Ok(Some((head, manifest?))),
        }
    }

    /// The head; `None` when nothing was ever copied here.
    ///
    /// # Errors
    /// When the store fails or the document is damaged.
    pub async fn head(&self) -> Result<Option<Head>, Error> {
        let object = match self.bucket.get(HEAD).await {
            Err(error) if error.is_not_found() && !error.is_no_bucket() => return Ok(None),
            object => object?,
        };
        let document = object.bytes(HEAD_LIMIT).await?;
        serde_json::from_slice(&document)
            .map(Some)
            .map_err(|error| self.unreadable(HEAD, &error.to_string()))
    }

    async fn manifest(&self, head: &Head) -> Result<Manifest, Error> {
        let document = self.bucket.get(&head.manifest).await?.bytes(MANIFEST_LIMIT).await?;
        let found = Digest::of(&document);
        if found != head.sha256 {
            let name = self.name(&head.manifest);
            return Err(Error::Damaged { name, expected: head.sha256, found });
        }
        Manifest::parse(&document).map_err(|problem| self.unreadable(&head.manifest, &problem))
    }

    /// Lists the objects that are there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn index(&self) -> Result<Index, Error> {
        let mut index = Index::new();
        let mut pages = std::pin::pin!(self.bucket.list(OBJECTS));
        while let Some(page) = pages.try_next().await? {
            let objects = page.objects.iter();
            index.extend(objects.filter_map(|object| Some((digest_of(&object.key)?, object.size))));
        }
        Ok(index)
    }

    /// Fails unless `index` has every object of `manifest`, in its size.
    ///
    /// # Errors
    /// [`Error::Incomplete`].
    pub fn check_complete(&self, manifest: &Manifest, index: &Index) -> Result<(), Error> {
        let absent = |entry: &&Entry| index.get(&entry.sha256) != Some(&entry.size);
        let missing: Vec<&Entry> = manifest.entries.iter().filter(absent).collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let example = format!("{}/{}", first.area.as_str(), first.key);
        Err(Error::Incomplete { tier: self.tier, missing: missing.len(), example })
    }

    /// Brings an object here to be read, and checks it against its digest.
    ///
    /// # Errors
    /// [`Error::Damaged`], or when the store or the scratch directory fails.
    pub async fn fetch(&self, digest: Digest, scratch: &super::Scratch) -> Result<Spooled, Error> {
        let key = object_key(digest);
        let spooled = Spooled::read(self.bucket.get(&key).await?, scratch).await?;
        if spooled.digest != digest {
            let (name, found) = (self.name(&key), spooled.digest);
            return Err(Error::Damaged { name, expected: digest, found });
        }
        Ok(spooled)
    }

    /// Stores an object under its digest; the store confirms its checksum.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, spooled: &Spooled, options: PutOptions) -> Result<(), Error> {
        spooled.put(&self.bucket, &object_key(spooled.digest), options).await
    }

    /// Writes the manifest, then makes it the tier's: from here on the tier
    /// holds what it says.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn publish(&self, manifest: &Manifest) -> Result<Head, Error> {
        let (key, document) = (manifest.key(), manifest.to_json_lines());
        let stored =
            self.bucket.put(&key, document, PutOptions::typed("application/x-ndjson")).await?;
        let head = Head {
            manifest: key,
            sha256: stored.sha256,
            copied_at: Instant::now(),
            taken_at: manifest.about.taken_at,
            objects: manifest.about.objects,
            bytes: manifest.about.bytes,
            drill: None,
        };
        self.write_head(&head).await?;
        Ok(head)
    }

    /// Writes the head.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write_head(&self, head: &Head) -> Result<(), Error> {
        let document = serde_json::to_vec_pretty(head).expect("a head is plain JSON");
        self.bucket.put(HEAD, Bytes::from(document), PutOptions::typed("application/json")).await?;
        Ok(())
    }

    /// Deletes the objects of `index` and the manifests that nothing refers to
    /// any more; gives how many objects.
    ///
    /// # Errors
    /// When the store fails; the rest is deleted by the next copy.
    pub async fn sweep(
        &self,
        manifest: &Manifest,
        index: impl Iterator<Item = Digest>,
    ) -> Result<usize, Error> {
        let kept: HashSet<Digest> = manifest.entries.iter().map(|entry| entry.sha256).collect();
        let unused: Vec<String> =
            index.filter(|digest| !kept.contains(digest)).map(object_key).collect();
        let current = manifest.key();
        let mut old = Vec::new();
        let mut pages = std::pin::pin!(self.bucket.list(MANIFESTS));
        while let Some(page) = pages.try_next().await? {
            old.extend(page.objects.into_iter().map(|object| object.key));
        }
        old.retain(|key| *key != current);
        self.bucket.delete_many(&unused).await?;
        self.bucket.delete_many(&old).await?;
        Ok(unused.len())
    }

    fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket.name())
    }

    fn unreadable(&self, key: &str, problem: &str) -> Error {
        Error::Unreadable { name: self.name(key), problem: problem.to_owned() }
    }
}

/// `objects/ab/abcd…`: two digits of fan-out keep directories of a store that
/// lies on a file system small.
fn object_key(digest: Digest) -> String {
    let hex = digest.to_string();
    format!("{OBJECTS}{}/{hex}", &hex[..2])
}

/// The digest of an object's key; `None` for what is not ours.
fn digest_of(key: &str) -> Option<Digest> {
    let (fan, hex) = key.strip_prefix(OBJECTS)?.split_once('/')?;
    if hex.get(..2)? == fan { hex.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_ours_have_a_digest() {
        let digest = Digest::of(b"x");
        assert_eq!(digest_of(&object_key(digest)), Some(digest));
        for key in ["objects/", "objects/notes.txt", "objects/00/abc", "head.json"] {
            assert_eq!(digest_of(key), None, "{key}");
        }
    }
}
