//! `worker queues`: how much waits where; pausing.

use clap::Subcommand;
use shared::bus::{Bus, pauses};
use shared::config::Env;
use shared::db::{Data, outbox};
use shared::overview::{self, PeriodicView, QueueView};
use shared::queues::Queues;
use shared::time::Instant;

use super::{CliError, connect, failed};
use crate::config;

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the queues: what waits, runs, was done in the last day, and died
    #[command(after_help = "Example: worker queues list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the periodic jobs: when each is due, and was sent last
    #[command(after_help = "Example: worker queues periodic --json")]
    Periodic {
        /// As JSON, as the API gives it
        #[arg(long)]
        json: bool,
    },
    /// Hand out no more jobs of a queue
    #[command(after_help = "Example: worker queues pause mail")]
    Pause {
        /// Its name
        queue: String,
    },
    /// Hand out jobs of a queue again
    #[command(after_help = "Example: worker queues resume mail")]
    Resume {
        /// Its name
        queue: String,
    },
}

/// Does what the command says.
///
/// # Errors
/// When the database cannot be used; to pause or resume, also when NATS cannot.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    let (dir, nats, queues) = config::queues_view(env)?;
    match command {
        Command::List { json } => {
            list(&Data::open(&dir)?, &connect(&nats).await?, queues, json).await
        }
        Command::Periodic { json } => periodic(&Data::open(&dir)?, &queues, json).await,
        Command::Pause { queue } => {
            known(&queues, &queue)?;
            let bus = connect(&nats).await?;
            pauses::set(&Data::open(&dir)?, &bus, &queue, true).await.map_err(failed)?;
            println!("{queue} is paused; what is under way ends.");
            Ok(())
        }
        Command::Resume { queue } => {
            known(&queues, &queue)?;
            let bus = connect(&nats).await?;
            pauses::set(&Data::open(&dir)?, &bus, &queue, false).await.map_err(failed)?;
            println!("{queue} goes on.");
            Ok(())
        }
    }
}

fn known(queues: &Queues, name: &str) -> Result<(), CliError> {
    if queues.queues.contains_key(name) {
        return Ok(());
    }
    Err(CliError::Failed(queues.unknown(name)))
}

async fn list(data: &Data, bus: &Bus, file: Queues, json: bool) -> Result<(), CliError> {
    let overview::Queues { items, problem } = overview::queues(data, bus, &file).await?;
    let waiting = outbox::depth(data).await?;
    if json {
        let all = serde_json::json!({"items": items, "outbox": waiting});
        println!("{all:#}");
    } else {
        print(&items, waiting);
    }
    if let Some(problem) = problem {
        eprintln!("what NATS alone knows is missing: {problem}");
    }
    Ok(())
}

async fn periodic(data: &Data, file: &Queues, json: bool) -> Result<(), CliError> {
    let items = overview::periodic(data, file).await?;
    if json {
        let all = serde_json::json!({"items": items, "next": null});
        println!("{all:#}");
        return Ok(());
    }
    if items.is_empty() {
        println!("No periodic jobs.");
    }
    for PeriodicView { name, queue, kind, schedule, next, last, .. } in items {
        let time =
            |time: Option<Instant>| time.map_or_else(|| "never".to_owned(), |at| at.to_string());
        println!("{name:<16} {queue} {kind}  {schedule}  next {}  last {}", time(next), time(last));
    }
    Ok(())
}

fn print(views: &[QueueView], waiting: outbox::Depth) {
    println!("queue            role     waiting  running  done today  failed  dead");
    for view in views {
        let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let paused = if view.paused == Some(true) { "  paused" } else { "" };
        let unlisted = match (view.listed, view.taken) {
            (true, _) => "",
            (false, Some(true)) => "  not in queues.yml: taken until it is empty",
            (false, _) => "  not in queues.yml: no worker takes it",
        };
        println!(
            "{:<16} {:<8} {:>7}  {:>7}  {:>10}  {:>6}  {:>4}{paused}{unlisted}",
            view.name,
            view.role.unwrap_or("-"),
            count(view.depth),
            count(view.in_flight),
            view.done,
            view.failed,
            view.dead
        );
    }
    let outbox::Depth { due, scheduled, .. } = waiting;
    println!("outbox: {due} to be sent, {scheduled} for later");
}
