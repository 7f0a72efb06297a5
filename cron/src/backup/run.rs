//! One run of a tier from lease to record.

use shared::db::Data;
use shared::db::backups::{self, Outcome, Run, Tally, Tier};
use shared::error::chain;
use shared::shutdown::Shutdown;
use shared::time::Instant;

use super::tier::Index;
use super::{Error, Lease, Manifest, Scratch, TierStore, drill, live, promote};
use crate::config::{Config, Stores};

/// Progress is told each time that this many objects are done.
const TELL_EVERY: usize = 500;

/// How a run is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Copy even when much less is left than last time.
    pub force: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a copy works with.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) stores: &'a Stores,
    pub(super) scratch: &'a Scratch,
    pub(super) options: Options,
    pub(super) tier: Tier,
}

impl Context<'_> {
    pub(super) fn progress(&self, done: usize, total: usize) {
        if done.is_multiple_of(TELL_EVERY) || done == total {
            tracing::info!(tier = %self.tier, "{done} of {total} objects looked at and copied");
        }
    }
}

/// What a copy did, or would do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) objects: usize,
    pub(super) bytes: u64,
    pub(super) copied: usize,
    pub(super) deleted: usize,
    pub(super) verified: usize,
    /// When the site was copied that the tier holds then.
    pub(super) taken_at: Option<Instant>,
}

impl Copied {
    fn outcome(self) -> Outcome {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let tally = Tally {
            objects: count(self.objects),
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            copied: count(self.copied),
            deleted: count(self.deleted),
            verified: count(self.verified),
        };
        Outcome { tally, taken_at: self.taken_at, ..Outcome::default() }
    }
}

/// Runs `tier` under the lease, proves the copy by a drill, and records both.
/// A dry run is not recorded.
///
/// # Errors
/// [`Error::Busy`] when another run is under way, and what the databases say.
/// A run that fails is no error here: the record says why it failed.
pub async fn run(
    data: &Data,
    config: &Config,
    stores: &Stores,
    tier: Tier,
    options: Options,
    shutdown: &Shutdown,
) -> Result<Run, Error> {
    let lease = Lease::take(data, config).await?;
    tracing::info!(%tier, "the backup begins");
    let id = if options.dry_run { None } else { Some(backups::begin(data, tier).await?) };
    let work = copy_and_prove(config, stores, tier, options);
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = lease.lost().cancelled() => failed(&Error::Interrupted),
        () = shutdown.cancelled() => failed(&Error::Interrupted),
    };
    let run = match id {
        Some(id) => backups::finish(data, id, outcome).await?,
        None => foreseen(tier, outcome),
    };
    lease.release(data).await;
    Ok(run)
}

fn failed(error: &Error) -> Outcome {
    Outcome { error: Some(chain(error)), ..Outcome::default() }
}

fn foreseen(tier: Tier, outcome: Outcome) -> Run {
    let now = Instant::now();
    Run {
        id: String::new(),
        tier: tier.as_str().to_owned(),
        started: now,
        finished: Some(now),
        state: if outcome.error.is_none() { "foreseen" } else { "failed" }.to_owned(),
        tally: outcome.tally,
        drill: None,
        error: outcome.error,
        taken_at: outcome.taken_at,
    }
}

async fn copy_and_prove(config: &Config, stores: &Stores, tier: Tier, options: Options) -> Outcome {
    let store = |tier| stores.tier(tier).cloned().map(|bucket| TierStore::new(tier, bucket));
    let Some(target) = store(tier) else {
        return failed(&Error::NoOffsite);
    };
    let scratch = match Scratch::new(&config.scratch()) {
        Ok(scratch) => scratch,
        Err(error) => return failed(&error),
    };
    let context = Context { config, stores, scratch: &scratch, options, tier };
    let copied = match tier.source().and_then(store) {
        Some(source) => promote::promote(&context, &source, &target).await,
        None => live::copy(&context, &target).await,
    };
    match copied {
        Err(error) => failed(&error),
        Ok(copied) if options.dry_run => copied.outcome(),
        Ok(copied) => {
            let drill = drill::prove(&target, &scratch).await;
            let error =
                drill.as_ref().err().map(|error| format!("restore drill: {}", chain(error)));
            Outcome { drill: Some(drill.is_ok()), error, ..copied.outcome() }
        }
    }
}

/// Makes `manifest` the tier's, then deletes what nothing refers to any more.
pub(super) async fn publish(
    context: &Context<'_>,
    tier: &TierStore,
    manifest: &Manifest,
    index: &Index,
    copied: usize,
) -> Result<Copied, Error> {
    tier.check_complete(manifest, index)?;
    tier.publish(manifest).await?;
    let deleted = tier.sweep(manifest, index.keys().copied()).await?;
    let (objects, bytes) = (manifest.entries.len(), manifest.about.bytes);
    tracing::info!(tier = %context.tier, objects, bytes, copied, deleted, "the tier is up to date");
    let taken_at = Some(manifest.about.taken_at);
    Ok(Copied { objects, bytes, copied, deleted, verified: objects, taken_at })
}
