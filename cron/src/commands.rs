//! The commands.

mod show;

use std::process::ExitCode;

use serde::Serialize;
use shared::config::{Env, Mistakes};
use shared::db::backups::drills::{self, Drill};
use shared::db::backups::schedule::{self, Task};
use shared::db::backups::{self, Run, Tier};
use shared::error::chain;
use shared::shutdown::{self, Shutdown};
use shared::time::Instant;
use tokio::net::TcpListener;

use crate::backup::{self, Error, Head, Options, TierStore, drill};
use crate::cli::{Backup, Cli, Command, Restore};
use crate::config::{Config, Stores};
use crate::restore::{self, From, Wanted};
use crate::{OpenError, ServeError, Site, prepare, tasks};

/// Runs shown by `cron backup list`.
const LISTED: usize = 50;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The environment is wrong.
    #[error(transparent)]
    Configuration(#[from] Mistakes),
    /// Options that make no sense together.
    #[error("--put-back takes a tier: what is live is where it belongs")]
    PutBackLive,
    /// The site could not be prepared.
    #[error(transparent)]
    Prepare(#[from] prepare::Error),
    /// The site could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address of the ops listener cannot be used.
    #[error("cannot listen on {0} (SITE_OPS_ADDR)")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
    /// `cron run` ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A backup, drill or restore failed.
    #[error(transparent)]
    Backup(#[from] Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] shared::db::Error),
    /// It was told already; nothing is left to say.
    #[error("failed")]
    Told,
}

impl Failure {
    /// 2 when it was used wrongly, else 1.
    fn status(&self) -> ExitCode {
        let is_misuse = matches!(
            self,
            Self::Configuration(_) | Self::PutBackLive | Self::Backup(Error::NoDirectory(_))
        );
        ExitCode::from(if is_misuse { 2 } else { 1 })
    }
}

/// Runs the command, and says on standard error why it failed.
pub async fn run(cli: Cli, env: Env) -> ExitCode {
    match dispatch(cli, env).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Told) {
                eprintln!("cron: {}", chain(&failure));
            }
            failure.status()
        }
    }
}

async fn dispatch(cli: Cli, env: Env) -> Result<(), Failure> {
    let config = Config::from_env(env, matches!(cli.command, Command::Prepare))?;
    config.log.start();
    let shutdown = shutdown::on_signal().map_err(Failure::Signals)?;
    let json = cli.json;
    match cli.command {
        Command::Run => serve(config, shutdown).await,
        Command::Prepare => {
            let mut say = |line: String| show::say(line);
            Ok(prepare::prepare(&config, &mut say, &shutdown).await?)
        }
        Command::Backup(Backup::Run { tier, dry_run, force }) => {
            backup_run(config, tier, Options { force, dry_run }, json, &shutdown).await
        }
        Command::Backup(Backup::List { tier }) => backup_list(config, tier, json).await,
        Command::Restore(wanted) => restore(&config, wanted, json, &shutdown).await,
        Command::Drill { from } => drill(config, from, json, &shutdown).await,
        Command::Status => status(config, json).await,
    }
}

async fn serve(config: Config, shutdown: Shutdown) -> Result<(), Failure> {
    let address = config.ops_addr;
    let listener =
        TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let site = Site::open(config)?;
    tracing::info!(ops = %address, "cron runs");
    crate::serve(site, listener, shutdown).await?;
    tracing::info!("cron ends");
    Ok(())
}

async fn backup_run(
    config: Config,
    tier: Tier,
    options: Options,
    json: bool,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let site = Site::open(config)?;
    let run = if options.dry_run {
        let Site { config, stores, data, .. } = &site;
        backup::run(data, config, stores, tier, options, shutdown).await?
    } else {
        noted_run(&site, tier, options, shutdown).await?
    };
    show::run(json, &run);
    if run.error.is_some() { Err(Failure::Told) } else { Ok(()) }
}

/// A run by hand counts as the scheduled one.
async fn noted_run(
    site: &Site,
    tier: Tier,
    options: Options,
    shutdown: &Shutdown,
) -> Result<Run, Failure> {
    let Site { config, stores, data, .. } = site;
    schedule::started(data, tier.task()).await?;
    let run = backup::run(data, config, stores, tier, options, shutdown).await?;
    if run.error.is_none() {
        let next = tasks::Task::Backup(tier).next(Instant::now());
        schedule::ended(data, tier.task(), true, Some(next)).await?;
    }
    Ok(run)
}

async fn backup_list(config: Config, tier: Option<Tier>, json: bool) -> Result<(), Failure> {
    let site = Site::open(config)?;
    let tier = tier.map(|tier| tier.as_str().to_owned());
    let page = backups::list(&site.data, tier, None, LISTED).await?;
    show::runs(json, &page);
    Ok(())
}

async fn restore(
    config: &Config,
    wanted: Restore,
    json: bool,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let stores = Stores::new(config).map_err(Error::from)?;
    let Restore { from, to, at, objects, put_back } = wanted;
    if put_back && from == From::Live {
        return Err(Failure::PutBackLive);
    }
    let wanted = Wanted { from, to, at, objects, put_back };
    let restored = tokio::select! {
        restored = restore::restore(config, &stores, &wanted) => restored?,
        () = shutdown.cancelled() => return Err(Error::Interrupted.into()),
    };
    show::restored(json, &wanted, &restored);
    Ok(())
}

async fn drill(
    config: Config,
    from: Option<From>,
    json: bool,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let site = Site::open(config)?;
    let all =
        [From::Live, From::Tier(Tier::Daily), From::Tier(Tier::Weekly), From::Tier(Tier::Biweekly)];
    let wanted = from.map_or_else(|| all.to_vec(), |one| vec![one]);
    let mut results = Vec::new();
    for one in wanted {
        match drill_one(&site, one, shutdown).await {
            // Nothing is expected where nothing was ever copied.
            Err(Error::EmptyTier(_) | Error::NoOffsite) if from.is_none() => {}
            outcome => results.push((one.as_str(), outcome.err().map(|error| chain(&error)))),
        }
    }
    show::drills(json, &results);
    if results.iter().any(|(_, error)| error.is_some()) { Err(Failure::Told) } else { Ok(()) }
}

async fn drill_one(site: &Site, from: From, shutdown: &Shutdown) -> Result<(), Error> {
    match from {
        From::Live => noted_drill(site, shutdown).await,
        From::Tier(tier) => {
            drill::of_tier(&site.data, &site.config, &site.stores, tier, shutdown).await?;
            Ok(())
        }
    }
}

/// A drill by hand counts as the scheduled one.
async fn noted_drill(site: &Site, shutdown: &Shutdown) -> Result<(), Error> {
    let task = tasks::Task::DrillLive;
    schedule::started(&site.data, task.name()).await?;
    drill::live(&site.data, &site.config, shutdown).await?;
    Ok(schedule::ended(&site.data, task.name(), true, Some(task.next(Instant::now()))).await?)
}

/// What `cron status` shows.
#[derive(Debug, Serialize)]
struct Status {
    offsite: bool,
    tasks: Vec<Task>,
    tiers: Vec<TierStatus>,
    /// The last of each source.
    drills: Vec<Drill>,
}

#[derive(Debug, Serialize)]
struct TierStatus {
    tier: Tier,
    head: Option<Head>,
    error: Option<String>,
    last: Option<Run>,
}

async fn status(config: Config, json: bool) -> Result<(), Failure> {
    let site = Site::open(config)?;
    let mut tiers = Vec::new();
    for tier in Tier::OLDEST_FIRST.into_iter().rev() {
        tiers.push(tier_status(&site, tier).await?);
    }
    let mut tasks = schedule::list(&site.data).await?;
    tasks.retain(|row| tasks::Task::ALL.iter().any(|task| task.name() == row.task));
    let drills = drills::last(&site.data).await?;
    show::status(json, &Status { offsite: site.stores.has_offsite(), tasks, tiers, drills });
    Ok(())
}

async fn tier_status(site: &Site, tier: Tier) -> Result<TierStatus, Failure> {
    let page = backups::list(&site.data, Some(tier.as_str().to_owned()), None, 1).await?;
    let last = page.items.into_iter().next();
    let (head, error) = match site.stores.tier(tier) {
        None => (None, Some(Error::NoOffsite.to_string())),
        Some(bucket) => match TierStore::new(tier, bucket.clone()).head().await {
            Ok(head) => (head, None),
            Err(error) => (None, Some(chain(&error))),
        },
    };
    Ok(TierStatus { tier, head, error, last })
}
