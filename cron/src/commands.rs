//! The commands, and what they print.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;
use shared::config::{Env, Mistakes};
use shared::db::backups::schedule::{self, Task};
use shared::db::backups::{self, Run, Tier};
use shared::shutdown::{self, Shutdown};
use shared::time::Instant;
use tokio::net::TcpListener;

use crate::backup::{self, Error, Head, Options, TierStore, chain, drill};
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
        ExitCode::from(if matches!(self, Self::Configuration(_) | Self::PutBackLive) {
            2
        } else {
            1
        })
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
            let mut say = |line: String| say(line);
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
    print(json, &run, || say(format_args!("{}", describe(&run))));
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

fn describe(run: &Run) -> String {
    let took = run.finished.unwrap_or(run.started).since(run.started).as_secs_f64();
    let tally = run.tally;
    let mut text = format!(
        "{:<7} {} {:<8} {:>7} objects {:>10}  copied {}, deleted {}, verified {}, {took:.1} s",
        run.tier,
        run.started.format("%Y-%m-%d %H:%M:%S"),
        run.state,
        tally.objects,
        human(tally.bytes),
        tally.copied,
        tally.deleted,
        tally.verified,
    );
    if let Some(drill) = &run.drill {
        text.push_str(&format!(", restore drill {drill}"));
    }
    if let Some(error) = &run.error {
        text.push_str(&format!("\n        {error}"));
    }
    text
}

fn human(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

async fn backup_list(config: Config, tier: Option<Tier>, json: bool) -> Result<(), Failure> {
    let site = Site::open(config)?;
    let tier = tier.map(|tier| tier.as_str().to_owned());
    let page = backups::list(&site.data, tier, None, LISTED).await?;
    print(json, &page, || {
        if page.items.is_empty() {
            say(format_args!("no backup has run yet"));
        }
        page.items.iter().for_each(|run| say(format_args!("{}", describe(run))));
    });
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
    print(json, &restored, || {
        let facts = &restored.facts;
        say(format_args!("restored {}, its integrity checked", restored.database.display()));
        if let Some(at) = restored.taken_at {
            say(format_args!("copied from the site at {at}"));
        }
        say(format_args!(
            "it holds {} posts, {} comments, {} images, {} page views (schema {})",
            facts.posts, facts.comments, facts.images, facts.hits, facts.schema
        ));
        if wanted.objects {
            say(format_args!(
                "{} objects are beside it, in public/ and private/",
                restored.objects
            ));
        }
        if wanted.put_back {
            say(format_args!(
                "{} objects were put back into the site's buckets",
                restored.put_back
            ));
        }
    });
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
            outcome => results.push((name(one), outcome.err().map(|error| chain(&error)))),
        }
    }
    let rows: Vec<_> = results
        .iter()
        .map(|(name, error)| json!({"from": name, "passed": error.is_none(), "error": error}))
        .collect();
    print(json, &rows, || {
        for (name, error) in &results {
            match error {
                None => say(format_args!("{name:<7} passed")),
                Some(error) => say(format_args!("{name:<7} failed: {error}")),
            }
        }
    });
    if results.iter().any(|(_, error)| error.is_some()) { Err(Failure::Told) } else { Ok(()) }
}

fn name(from: From) -> &'static str {
    match from {
        From::Live => "live",
        From::Tier(tier) => tier.as_str(),
    }
}

async fn drill_one(site: &Site, from: From, shutdown: &Shutdown) -> Result<(), Error> {
    match from {
        From::Live => {
            let run = drill::live(&site.data, &site.config, shutdown).await?;
            run.error.map_or(Ok(()), |error| Err(Error::Recorded(error)))
        }
        From::Tier(tier) => {
            drill::of_tier(&site.data, &site.config, &site.stores, tier, shutdown).await?;
            Ok(())
        }
    }
}

/// What `cron status` shows.
#[derive(Debug, Serialize)]
struct Status {
    offsite: bool,
    tasks: Vec<Task>,
    tiers: Vec<TierStatus>,
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
    let status = Status { offsite: site.stores.has_offsite(), tasks, tiers };
    print(json, &status, || show(&status));
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

fn show(status: &Status) {
    say(format_args!("{:<14} {:<21} {:<21} due", "task", "last begun", "last success"));
    let time = |at: Option<Instant>| {
        at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S"))
    };
    for task in status.tasks.iter().filter(|task| task.lease_owner.is_none()) {
        let (begun, success) = (time(task.last_started_at), time(task.last_success_at));
        say(format_args!("{:<14} {begun:<21} {success:<21} {}", task.task, time(task.due_at)));
    }
    say("");
    for TierStatus { tier, head, error, last } in &status.tiers {
        match (head, error) {
            (_, Some(error)) => say(format_args!("{tier:<7} {error}")),
            (None, None) => say(format_args!("{tier:<7} holds nothing yet")),
            (Some(head), None) => {
                let drill = match head.drill {
                    None => "not proved yet",
                    Some(drill) if drill.passed => "restore drill passed",
                    Some(_) => "restore drill FAILED",
                };
                let (size, at) = (human(head.bytes.try_into().unwrap_or(i64::MAX)), head.taken_at);
                say(format_args!(
                    "{tier:<7} {} objects, {size}, the site of {at}, {drill}",
                    head.objects
                ));
            }
        }
        if let Some(error) = last.as_ref().and_then(|run| run.error.as_ref()) {
            say(format_args!("        the last run failed: {error}"));
        }
    }
}

/// Prints a line; a reader that has gone away, such as `head`, is no failure.
fn say(line: impl std::fmt::Display) {
    let _reader_is_gone = writeln!(std::io::stdout(), "{line}");
}

/// As JSON, or by `plain`.
fn print(json: bool, value: &impl Serialize, plain: impl FnOnce()) {
    if json {
        let text = serde_json::to_string_pretty(value);
        say(format_args!("{}", text.expect("results are plain JSON")));
    } else {
        plain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_units_that_fit() {
        assert_eq!(human(999), "999 B");
        assert_eq!(human(1_500), "1.5 kB");
        assert_eq!(human(12_345_678), "12.3 MB");
    }
}
