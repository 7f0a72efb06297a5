//! `worker jobs`: what waits, what ended, and what to do about what died.

use clap::{Args, Subcommand, ValueEnum};
use shared::bus::Bus;
use shared::bus::queues::Waiting;
use shared::config::Env;
use shared::db::jobs::{self, Detail, Ended, Which};
use shared::db::outbox::{self, Scheduled};
use shared::db::{Data, Page};
use shared::envelope::Envelope;
use shared::subject::JobAddress;

use super::{CliError, connect, failed};
use crate::config;

/// Jobs of a page when all are walked through.
const PAGE: usize = 200;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List jobs: those that ended newest first, the others in their order
    #[command(after_help = "Example: worker jobs list --state dead --queue mail --json")]
    List {
        /// Which ones
        #[arg(long, value_enum, default_value_t = State::Dead)]
        state: State,
        /// Of this queue alone
        #[arg(long)]
        queue: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        /// Go on where a list ended: its "next"
        #[arg(long)]
        after: Option<String>,
        /// As JSON, as the API gives it
        #[arg(long)]
        json: bool,
    },
    /// Show one job with every error and its payload
    #[command(after_help = "Example: worker jobs show 0199c0de-1111-7000-8000-000000000000")]
    Show {
        /// Its id
        id: String,
        /// As JSON, as the API gives it
        #[arg(long)]
        json: bool,
    },
    /// Send dead jobs back to their queues
    #[command(after_help = "Example: worker jobs retry --all --queue mail")]
    Retry(Chosen),
    /// Forget dead jobs
    #[command(after_help = "Example: worker jobs discard 0199c0de-1111-7000-8000-000000000000")]
    Discard(Chosen),
}

/// How far jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// No worker has them yet.
    Queued,
    /// A worker has them.
    Running,
    /// Their time has not come.
    Scheduled,
    /// They did what they had to.
    Done,
    /// They gave up.
    Dead,
}

/// Which dead jobs.
#[derive(Debug, Args)]
pub struct Chosen {
    /// Their ids
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// With --all: of this queue alone
    #[arg(long, requires = "all")]
    queue: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Does what the command says.
///
/// # Errors
/// When the database cannot be used, or a job is not there.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    match command {
        Command::List {
            state: state @ (State::Queued | State::Running),
            queue,
            limit,
            json,
            ..
        } => list_in_nats(state == State::Running, queue, usize::from(limit), json, env).await,
        command => run_on(&Data::open(&config::data_dir(env)?)?, command).await,
    }
}

async fn run_on(data: &Data, command: Command) -> Result<(), CliError> {
    match command {
        Command::List { state, queue, limit, after, json } => {
            let limit = usize::from(limit);
            let page = match state {
                State::Scheduled => scheduled(data, queue.as_deref(), limit).await?,
                State::Dead => jobs::list(data, Which::Dead, queue, after, limit).await?,
                _ => jobs::list(data, Which::Done, queue, after, limit).await?,
            };
            print_page(&page, json);
            Ok(())
        }
        Command::Show { id, json } => show(data, id, json).await,
        Command::Retry(chosen) => retry(data, chosen).await,
        Command::Discard(chosen) => discard(data, chosen).await,
    }
}

async fn list_in_nats(
    running: bool,
    queue: Option<String>,
    limit: usize,
    json: bool,
    env: Env,
) -> Result<(), CliError> {
    let (_, nats, queues) = config::queues_view(env)?;
    let bus: Bus = connect(&nats).await?;
    let asked = |name: &String| queue.as_ref().is_none_or(|queue| queue == name);
    let mut items = Vec::new();
    for name in queues.queues.into_keys().filter(asked) {
        let (waiting, _) = bus.waiting(&name, running, 1, limit).await.map_err(failed)?;
        items.extend(waiting.into_iter().map(in_nats));
    }
    items.truncate(limit);
    print_page(&Page { items, next: None }, json);
    Ok(())
}

fn in_nats(waiting: Waiting) -> Ended {
    let state = if waiting.running { "running" } else { "queued" };
    let Waiting { queue, kind, job, .. } = waiting;
    listed(state, &queue, &kind, job, waiting.stored)
}

async fn scheduled(
    data: &Data,
    queue: Option<&str>,
    limit: usize,
) -> Result<Page<Ended>, CliError> {
    let item = |job: Scheduled| {
        let JobAddress { queue: name, kind, .. } = JobAddress::parse(&job.subject)?;
        let envelope = serde_json::from_slice(&job.body).ok();
        Some(listed("scheduled", name, kind, envelope, job.due))
    };
    let jobs = outbox::scheduled(data, queue.map(str::to_owned), limit).await?;
    let items = jobs.into_iter().filter_map(item).collect();
    Ok(Page { items, next: None })
}

/// A job that has not ended, in the shape of one that has.
fn listed(
    state: &'static str,
    queue: &str,
    kind: &str,
    job: Option<Envelope>,
    at: shared::time::Instant,
) -> Ended {
    let known = |read: fn(&Envelope) -> String| job.as_ref().map_or_else(String::new, read);
    Ended {
        id: known(|job| job.id.to_string()),
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        state,
        cause: known(|job| job.cause.to_string()),
        attempt: job.as_ref().map_or(1, |job| job.attempt),
        at,
        reason: None,
    }
}

fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("what the API gives is JSON");
    println!("{text}");
}

fn print_page(page: &Page<Ended>, json: bool) {
    if json {
        return print_json(page);
    }
    if page.items.is_empty() {
        println!("No jobs.");
    }
    for job in &page.items {
        println!(
            "{}  {:<14} {:<12} {}  attempt {}  {}",
            job.id,
            job.queue,
            job.kind,
            job.at,
            job.attempt,
            job.reason.as_deref().unwrap_or(job.state)
        );
    }
    if let Some(next) = &page.next {
        println!("There are more: --after {next}");
    }
}

async fn show(data: &Data, id: String, json: bool) -> Result<(), CliError> {
    let found = jobs::detail(data, id.clone()).await?;
    let detail = found.ok_or_else(|| CliError::Failed(format!("no job {id} has ended")))?;
    if json {
        print_json(&detail);
    } else {
        print_detail(&detail);
    }
    Ok(())
}

fn print_detail(detail: &Detail) {
    let job = &detail.job;
    println!("job      {}", job.id);
    println!("queue    {} ({})", job.queue, job.kind);
    println!("state    {} at {}", job.state, job.at);
    println!("attempt  {}", job.attempt);
    println!("cause    {}", job.cause);
    if let Some(reason) = &job.reason {
        println!("reason   {reason}");
    }
    for attempt in &detail.errors {
        println!("error    {} at {}: {}", attempt.attempt, attempt.at, attempt.error);
    }
    if let Some(body) = &detail.body {
        println!("message  {body}");
    }
}

async fn retry(data: &Data, chosen: Chosen) -> Result<(), CliError> {
    let json = chosen.json;
    let mut sent = Vec::new();
    let mut refused = Vec::new();
    for id in ids(data, chosen).await? {
        match jobs::replay(data, id.clone()).await {
            Ok(Some(now)) => sent.push(serde_json::json!({"id": now, "was": id})),
            Ok(None) => refused.push(format!("{id}: no dead job has this id")),
            Err(error) => refused.push(format!("{id}: {error}")),
        }
    }
    if json {
        print_json(&serde_json::json!({"retried": sent}));
    } else {
        for job in &sent {
            println!("{} runs again as {}", text(&job["was"]), text(&job["id"]));
        }
    }
    ended("sent back", sent.len(), &refused)
}

async fn discard(data: &Data, chosen: Chosen) -> Result<(), CliError> {
    let json = chosen.json;
    let mut forgotten = Vec::new();
    let mut refused = Vec::new();
    for id in ids(data, chosen).await? {
        if jobs::discard(data, id.clone()).await? {
            forgotten.push(id);
        } else {
            refused.push(format!("{id}: no dead job has this id"));
        }
    }
    if json {
        print_json(&serde_json::json!({"discarded": forgotten}));
    }
    ended("forgotten", forgotten.len(), &refused)
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ended(what: &str, good: usize, refused: &[String]) -> Result<(), CliError> {
    if refused.is_empty() {
        eprintln!("{what}: {good}");
        return Ok(());
    }
    Err(CliError::Failed(format!("{what}: {good}; not these:\n  {}", refused.join("\n  "))))
}

/// The chosen ids; with `--all`, those that are dead now.
async fn ids(data: &Data, chosen: Chosen) -> Result<Vec<String>, CliError> {
    if !chosen.all {
        return Ok(chosen.ids);
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = jobs::list(data, Which::Dead, chosen.queue.clone(), after, PAGE).await?;
        ids.extend(page.items.into_iter().map(|job| job.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(ids),
        }
    }
}
