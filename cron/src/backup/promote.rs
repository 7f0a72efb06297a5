//! Tier to older tier.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::blobs::Digest;
use shared::error::chain;
use uuid::Uuid;

use super::run::{Context, Copied};
use super::tier::Index;
use super::{Area, Error, Manifest, TRANSFERS, TierStore, drill, guard};

/// Copies what `source` holds into `tier`, once it proved that it can be
/// restored.
///
/// # Errors
/// Why the tier is still what it was before.
pub(super) async fn promote(
    context: &Context<'_>,
    source: &TierStore,
    tier: &TierStore,
) -> Result<Copied, Error> {
    let loaded = source.load().await?;
    let (head, manifest) = loaded.ok_or(Error::EmptyTier(source.tier))?;
    let (there, here, before) = tokio::try_join!(source.index(), tier.index(), tier.load())?;
    source.check_complete(&manifest, &there)?;
    if let Some((_, before)) = before.filter(|_| !context.options.force) {
        guard::check(&before, areas(&manifest), &manifest.about.facts)?;
    }
    let wanted = wanted(&manifest, &here);
    if context.options.dry_run {
        return Ok(foresee(&manifest, &here, wanted.len()));
    }
    if head.drill.is_none_or(|drill| !drill.passed) {
        let proved = drill::prove(source, context.scratch).await;
        proved.inspect_err(|error| {
            tracing::error!(error = chain(error), tier = %source.tier, "the drill failed");
        })?;
    }
    let copied = transfer_all(context, source, tier, wanted).await?;
    let index: Index = here.into_iter().chain(copied.iter().copied()).collect();
    let manifest = manifest.promoted(tier.tier, Uuid::now_v7().to_string());
    super::run::publish(context, tier, &manifest, &index, copied.len()).await
}

fn areas(manifest: &Manifest) -> impl Iterator<Item = Area> + Clone {
    manifest.entries.iter().map(|entry| entry.area)
}

/// What the tier lacks, each once.
fn wanted(manifest: &Manifest, here: &Index) -> HashSet<Digest> {
    let entries = manifest.entries.iter();
    entries
        .filter(|entry| here.get(&entry.sha256) != Some(&entry.size))
        .map(|entry| entry.sha256)
        .collect()
}

fn foresee(manifest: &Manifest, here: &Index, copied: usize) -> Copied {
    let used: HashSet<Digest> = manifest.entries.iter().map(|entry| entry.sha256).collect();
    let deleted = here.keys().filter(|digest| !used.contains(*digest)).count();
    let (objects, bytes) = (manifest.entries.len(), manifest.about.bytes);
    let (verified, taken_at) = (objects - copied.min(objects), Some(manifest.about.taken_at));
    Copied { objects, bytes, copied, deleted, verified, taken_at }
}

async fn transfer_all(
    context: &Context<'_>,
    source: &TierStore,
    tier: &TierStore,
    wanted: HashSet<Digest>,
) -> Result<Vec<(Digest, u64)>, Error> {
    let total = wanted.len();
    let transfers = wanted.into_iter().map(async |digest| {
        let spooled = source.fetch(digest, context.scratch).await?;
        tier.put(&spooled, spooled.options()).await?;
        Ok::<_, Error>((digest, spooled.length))
    });
    let mut copied = Vec::with_capacity(total);
    let mut running = stream::iter(transfers).buffer_unordered(TRANSFERS);
    while let Some(object) = running.try_next().await? {
        copied.push(object);
        context.progress(copied.len(), total);
    }
    Ok(copied)
}
