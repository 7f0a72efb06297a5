//! `worker queues`: how much waits where; pausing.

use std::collections::HashMap;

use clap::Subcommand;
use serde::Serialize;
use shared::bus::Bus;
use shared::config::Env;
use shared::db::{Data, jobs, outbox};
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

/// A queue as it is listed; what NATS alone knows is `null` when it is away.
#[derive(Debug, Serialize)]
struct View {
    name: String,
    role: &'static str,
    depth: Option<u64>,
    in_flight: Option<u64>,
    oldest_ms: Option<u128>,
    paused: Option<bool>,
    done: i64,
    failed: i64,
    dead: i64,
}

/// Does what the command says.
///
/// # Errors
/// When the database cannot be used; to pause or resume, also when NATS cannot.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    let (dir, nats, queues) = config::queues_view(env)?;
    let bus = connect(&nats).await?;
    match command {
        Command::List { json } => list(&Data::open(&dir)?, &bus, queues, json).await,
        Command::Pause { queue } => {
            known(&queues, &queue)?;
            bus.pause(&queue).await.map_err(failed)?;
            println!("{queue} is paused; what is under way ends.");
            Ok(())
        }
        Command::Resume { queue } => {
            known(&queues, &queue)?;
            bus.resume(&queue).await.map_err(failed)?;
            println!("{queue} goes on.");
            Ok(())
        }
    }
}

fn known(queues: &Queues, name: &str) -> Result<(), CliError> {
    if queues.queues.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = queues.queues.keys().map(String::as_str).collect();
    Err(CliError::Misused(format!("there is no queue {name}; there are {}", names.join(", "))))
}

async fn list(data: &Data, bus: &Bus, queues: Queues, json: bool) -> Result<(), CliError> {
    let views = views(data, bus, queues).await?;
    let waiting = outbox::depth(data).await?;
    if json {
        let all = serde_json::json!({"items": views, "outbox": waiting});
        println!("{all:#}");
    } else {
        print(&views, waiting);
    }
    Ok(())
}

async fn views(data: &Data, bus: &Bus, queues: Queues) -> Result<Vec<View>, CliError> {
    let done = by_queue(jobs::done_by_queue(data).await?);
    let failed = by_queue(jobs::failed_by_queue(data).await?);
    let dead = by_queue(jobs::dead_by_queue(data).await?);
    let mut views = Vec::new();
    for (name, queue) in queues.queues {
        let state = bus.queue_state(&name).await.ok();
        let count = |counts: &HashMap<String, i64>| counts.get(&name).copied().unwrap_or(0);
        views.push(View {
            role: queue.role.as_str(),
            depth: state.as_ref().map(|state| state.depth),
            in_flight: state.as_ref().map(|state| state.in_flight),
            oldest_ms: state.as_ref().and_then(|state| state.oldest).map(age_ms),
            paused: state.as_ref().map(|state| state.paused),
            done: count(&done),
            failed: count(&failed),
            dead: count(&dead),
            name,
        });
    }
    Ok(views)
}

fn by_queue(counts: Vec<(String, i64)>) -> HashMap<String, i64> {
    counts.into_iter().collect()
}

fn age_ms(since: Instant) -> u128 {
    Instant::now().since(since).as_millis()
}

fn print(views: &[View], waiting: outbox::Depth) {
    println!("queue            role     waiting  running  done today  failed  dead");
    for view in views {
        let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let paused = if view.paused == Some(true) { "  paused" } else { "" };
        println!(
            "{:<16} {:<8} {:>7}  {:>7}  {:>10}  {:>6}  {:>4}{paused}",
            view.name,
            view.role,
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
