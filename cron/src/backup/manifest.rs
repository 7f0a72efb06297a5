//! What a tier holds: the documents in its bucket.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::blobs::Digest;
use shared::db::backups::Tier;
use shared::db::backups::snapshot::Facts;
use shared::time::Instant;

/// The shape of manifests that this program writes and reads.
const FORMAT: u32 = 1;

/// Where an object of the site belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// The public bucket.
    Public,
    /// The private bucket.
    Private,
    /// The backup bucket: Litestream's files.
    Backup,
    /// The independent snapshot of `data.db`.
    Snapshot,
}

impl Area {
    /// Its name in manifests and restored directories.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Backup => "backup",
            Self::Snapshot => "snapshot",
        }
    }
}

/// One object of the site, as the tier keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it belongs.
    pub area: Area,
    /// Its key there.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its digest, which is also its name in the tier.
    pub sha256: Digest,
    /// Its entity tag at the source.
    pub etag: String,
    /// When it was written at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
}

/// All that a tier held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What is true of the whole.
    pub about: About,
    /// The objects, by area and key.
    pub entries: Vec<Entry>,
}

/// What is true of a whole manifest: its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    format: u32,
    /// Its own id, a UUIDv7.
    pub id: String,
    /// The tier it was made for.
    pub tier: Tier,
    /// When the site was copied; a promotion keeps it.
    pub taken_at: Instant,
    /// The manifests it was promoted from, the latest last.
    pub lineage: Vec<String>,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the snapshot of `data.db` holds.
    pub facts: Facts,
    /// Whether Litestream had replicated everything that the snapshot holds.
    pub replica_synced: bool,
}

impl Manifest {
    /// The manifest of a copy of the site.
    #[must_use]
    pub fn of_site(
        id: String,
        taken_at: Instant,
        mut entries: Vec<Entry>,
        facts: Facts,
        replica_synced: bool,
    ) -> Self {
        entries.sort_by(|a, b| (a.area, &a.key).cmp(&(b.area, &b.key)));
        let objects = entries.len() as u64;
        let bytes = entries.iter().map(|entry| entry.size).sum();
        let (format, tier, lineage) = (FORMAT, Tier::Daily, Vec::new());
        let about =
            About { format, id, tier, taken_at, lineage, objects, bytes, facts, replica_synced };
        Self { about, entries }
    }

    /// The same objects, promoted to `tier` as the manifest `id`.
    #[must_use]
    pub fn promoted(mut self, tier: Tier, id: String) -> Self {
        let before = std::mem::replace(&mut self.about.id, id);
        self.about.lineage.push(before);
        self.about.tier = tier;
        self
    }

    /// The entries of one area.
    pub fn area(&self, area: Area) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.area == area)
    }

    /// Where it is kept in the tier's bucket.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}.jsonl", super::tier::MANIFESTS, self.about.id)
    }

    /// The document: a line about the whole, then a line an object.
    #[must_use]
    pub fn to_json_lines(&self) -> Bytes {
        let mut text = Vec::with_capacity(256 * (self.entries.len() + 1));
        let mut line = |value: serde_json::Result<Vec<u8>>| {
            text.extend(value.expect("a manifest holds only what JSON can show"));
            text.push(b'\n');
        };
        line(serde_json::to_vec(&self.about));
        self.entries.iter().for_each(|entry| line(serde_json::to_vec(entry)));
        text.into()
    }

    /// Reads the document.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        let mut lines = document.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let first = lines.next().ok_or("it is empty")?;
        let about: About = serde_json::from_slice(first).map_err(|error| error.to_string())?;
        if about.format != FORMAT {
            return Err(format!("it has format {}; this program reads {FORMAT}", about.format));
        }
        let entries: Vec<Entry> = lines
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        if entries.len() as u64 != about.objects {
            return Err(format!("it lists {} objects of {}", entries.len(), about.objects));
        }
        Ok(Self { about, entries })
    }
}

/// Names the tier's current manifest, and says whether it proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Key of the manifest.
    pub manifest: String,
    /// Digest of the manifest.
    pub sha256: Digest,
    /// When the tier was last copied to.
    pub copied_at: Instant,
    /// When what it holds was taken from the site.
    pub taken_at: Instant,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last restore drill of this manifest.
    pub drill: Option<Drilled>,
}

/// A restore drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// Whether what was restored was right.
    pub passed: bool,
    /// When.
    pub at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let entry = |area, key: &str| Entry {
            area,
            key: key.to_owned(),
            size: 2,
            sha256: Digest::of(key.as_bytes()),
            etag: "\"e\"".to_owned(),
            modified: None,
            content_type: Some("image/webp".to_owned()),
            cache_control: None,
        };
        let entries = vec![entry(Area::Private, "a"), entry(Area::Public, "b")];
        let at = Instant::from_millis(1_795_000_000_000);
        Manifest::of_site("one".to_owned(), at, entries, Facts::default(), true)
    }

    #[test]
    fn a_manifest_reads_back_sorted_and_summed() {
        let manifest = manifest();
        let read = Manifest::parse(&manifest.to_json_lines()).expect("it is well formed");
        assert_eq!(read, manifest);
        assert_eq!((read.entries[0].area, read.about.bytes), (Area::Public, 4));
    }

    #[test]
    fn a_manifest_that_was_cut_off_is_refused() {
        let document = manifest().to_json_lines();
        let end = document.iter().rposition(|byte| *byte == b'{').expect("it has lines");
        let problem = Manifest::parse(&document[..end]).expect_err("a line is missing");
        assert_eq!(problem, "it lists 1 objects of 2");
    }

    #[test]
    fn a_promotion_keeps_when_the_site_was_copied_and_from_what() {
        let promoted = manifest().promoted(Tier::Weekly, "two".to_owned());
        assert_eq!(promoted.about.taken_at, manifest().about.taken_at);
        assert_eq!(promoted.about.lineage, ["one"]);
        assert_eq!(promoted.key(), "manifests/two.jsonl");
    }
}
