//! `worker queues`: how much waits where.

use std::collections::HashMap;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use shared::bus::Bus;
use shared::config::Env;
use shared::db::{Data, done, outbox};
use shared::queues::{Queue, Queues, Role};
use shared::subject;

use super::CliError;
use crate::config;

/// How long NATS is waited for.
const NATS_WAIT: Duration = Duration::from_secs(3);

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the queues: what waits, runs, was done in the last day, and died
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Serialize)]
struct View {
    name: String,
    role: &'static str,
    /// Jobs in NATS that nobody works on; `null` when NATS is away.
    depth: Option<u64>,
    /// Jobs that a worker has; `null` when NATS is away.
    in_flight: Option<usize>,
    done: i64,
    dead: i64,
}

/// Does what the command says.
///
/// # Errors
/// When the database cannot be used.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    let Command::List { json } = command;
    let (dir, nats, queues) = config::queues_view(env)?;
    let data = Data::open(&dir)?;
    let bus = Bus::connect(&nats, "worker queues")
        .await
        .map_err(|error| CliError::Failed(crate::registry::chain(&error)))?;
    let views = views(&data, &bus, queues).await?;
    let waiting = outbox::depth(&data).await?;
    if json {
        let all = serde_json::json!({"items": views, "outbox": waiting});
        println!("{all:#}");
    } else {
        print(&views, waiting);
    }
    Ok(())
}

async fn views(data: &Data, bus: &Bus, queues: Queues) -> Result<Vec<View>, CliError> {
    let done: HashMap<String, i64> = done::done_by_queue(data).await?.into_iter().collect();
    let dead: HashMap<String, i64> = done::dead_by_queue(data).await?.into_iter().collect();
    let mut in_nats = tokio::time::timeout(NATS_WAIT, in_nats(bus, &queues))
        .await
        .unwrap_or_default();
    let view = |(name, queue): (String, Queue)| {
        let counts = in_nats.remove(&name);
        View {
            role: match queue.role {
                Role::Data => "data",
                Role::Compute => "compute",
            },
            depth: counts.map(|(depth, _)| depth),
            in_flight: counts.map(|(_, in_flight)| in_flight),
            done: done.get(&name).copied().unwrap_or(0),
            dead: dead.get(&name).copied().unwrap_or(0),
            name,
        }
    };
    Ok(queues.queues.into_iter().map(view).collect())
}

async fn in_nats(bus: &Bus, queues: &Queues) -> HashMap<String, (u64, usize)> {
    let mut counts = HashMap::new();
    let Ok(stream) = bus.jetstream().get_stream(subject::JOBS).await else {
        return counts;
    };
    for name in queues.queues.keys() {
        if let Ok(info) = stream.consumer_info(name).await {
            counts.insert(name.clone(), (info.num_pending, info.num_ack_pending));
        }
    }
    counts
}

fn print(views: &[View], waiting: outbox::Depth) {
    println!("queue            role     waiting  running  done today  dead");
    for view in views {
        let count = |count: Option<String>| count.unwrap_or_else(|| "?".to_owned());
        println!(
            "{:<16} {:<8} {:>7}  {:>7}  {:>10}  {:>4}",
            view.name,
            view.role,
            count(view.depth.map(|n| n.to_string())),
            count(view.in_flight.map(|n| n.to_string())),
            view.done,
            view.dead
        );
    }
    let outbox::Depth { due, scheduled, .. } = waiting;
    println!("outbox: {due} to be sent, {scheduled} for later");
}
