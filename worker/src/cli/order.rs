//! `worker jobs order`: a job for a queue.

use std::io::Read as _;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;
use shared::db::Data;
use shared::db::jobs::{self, Ordered, Placed};
use shared::jobs::enqueue::Priority;
use shared::jobs::order::Order;
use shared::queues::Queues;
use shared::time::Instant;
use uuid::Uuid;

use super::CliError;

/// What is asked for.
#[derive(Debug, Args)]
pub struct Wish {
    /// The queue that takes it
    queue: String,
    /// Its kind within the queue
    kind: String,
    /// What the kind says: JSON, @FILE, or - for standard input; null when left out
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    payload: Option<String>,
    /// Not before this moment, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    run_at: Option<Instant>,
    /// While another job of the queue holds this key, none is ordered
    #[arg(long, value_name = "KEY")]
    unique_key: Option<String>,
    /// Which of two jobs that both wait is taken first
    #[arg(long, value_parser = priorities())]
    priority: Option<Priority>,
    /// What it takes of its queue's concurrency
    #[arg(long)]
    cost: Option<u32>,
    /// As JSON, as the API gives it
    #[arg(long)]
    json: bool,
}

fn priorities() -> impl TypedValueParser<Value = Priority> {
    PossibleValuesParser::new(Priority::ALL.map(Priority::as_str))
        .try_map(|word| word.parse::<Priority>())
}

fn moment(text: &str) -> Result<Instant, &'static str> {
    Instant::parse(text).map_err(|_| "it takes a moment, such as 2026-12-24T18:00:00Z")
}

/// Orders the job: it is on disk when this ends.
///
/// # Errors
/// When the payload is no JSON, the site does not take the order, or the database
/// fails.
pub async fn run(data: &Data, queues: &Queues, wish: Wish) -> Result<(), CliError> {
    let Wish { queue, kind, payload, run_at, unique_key, priority, cost, json } = wish;
    let payload = payload.map_or(Ok(Value::Null), |text| read(&text))?;
    let order = Order { queue, kind, payload, run_at, unique_key, priority, cost };
    let job = order.checked(queues, Uuid::now_v7()).map_err(|refusals| {
        let told: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        CliError::Failed(told.join("\n  "))
    })?;
    if let Ordered::Placed(placed) = jobs::order(data, vec![job], None).await? {
        placed.iter().for_each(|placed| print(placed, json));
    }
    Ok(())
}

fn print(placed: &Placed, json: bool) {
    let Placed { id, duplicate } = placed;
    match (json, duplicate) {
        (true, _) => super::jobs::print_json(placed),
        (false, true) => println!("{id} holds the key; no other job was ordered"),
        (false, false) => println!("{id} is ordered"),
    }
}

/// The payload as it was given, or from where it was said to be.
fn read(given: &str) -> Result<Value, CliError> {
    let misused = |problem: String| CliError::Misused(format!("--payload: {problem}"));
    let text = match given.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| misused(format!("{path}: {error}")))?
        }
        None if given == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| misused(format!("standard input: {error}")))?;
            text
        }
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        misused(format!(
            "this is no JSON: line {line}, character {column} cannot be read; it takes JSON, such \
             as '{{\"text\": \"one two\"}}', or @FILE, or - for standard input"
        ))
    })
}
