//! `worker jobs`: what waits, what ended, and what to do about what died.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use shared::bus::Bus;
use shared::config::Env;
use shared::db::jobs::{
    self, Body, Detail, JobState, Listed, Made, Only, Retried, UniqueKey, Which,
};
use shared::db::{Data, Page};
use shared::envelope::Untyped;
use shared::error::chain;
use shared::overview::{self, Asked, Cursor};
use shared::queues::Queues;
use url::Url;

use super::order::{self, Wish};
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
        #[arg(long, value_parser = states(), default_value_t = JobState::Dead)]
        state: JobState,
        /// Of this queue alone
        #[arg(long)]
        queue: Option<String>,
        /// Of this kind alone
        #[arg(long)]
        kind: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        /// Go on where a list ended: its "next"
        #[arg(long)]
        after: Option<Cursor>,
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
    /// Order a job: it is on disk when this ends
    #[command(after_help = "\
Examples:
  worker jobs order words count --payload '{\"text\": \"one two\"}'
  worker jobs order words count --payload @text.json --run-at 2026-12-24T18:00:00Z
  worker jobs order words count --unique-key digest-2026-11 --priority low --json")]
    Order(Wish),
    /// Have a job not run, or cut it off: it is dead then, and can be sent back
    #[command(after_help = "\
Examples:
  worker jobs cancel 0199c0de-1111-7000-8000-000000000000
  worker jobs cancel --queue words --kind count")]
    Cancel(ToCancel),
    /// Send dead jobs back to their queues; with --all, those that failed
    #[command(after_help = "Example: worker jobs retry --all --queue mail")]
    Retry(Chosen),
    /// Forget dead jobs
    #[command(after_help = "Example: worker jobs discard 0199c0de-1111-7000-8000-000000000000")]
    Discard(Chosen),
}

fn states() -> impl clap::builder::TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str))
        .try_map(|word| word.parse::<JobState>())
}

/// Which jobs that are not over.
#[derive(Debug, Args)]
pub struct ToCancel {
    /// Its id
    #[arg(required_unless_present = "queue", conflicts_with = "queue")]
    id: Option<String>,
    /// All of this queue
    #[arg(long)]
    queue: Option<String>,
    /// With --queue: of this kind alone
    #[arg(long, requires = "queue")]
    kind: Option<String>,
    /// As JSON, as the API gives it
    #[arg(long)]
    json: bool,
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
/// When the database cannot be used, NATS is needed and away, or a job is not there.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    let (dir, nats, queues) = config::jobs_view(env, command.needs_the_queues())?;
    let data = Data::open(&dir)?;
    match command {
        Command::List { state, queue, kind, limit, after, json } => {
            if after.as_ref().is_some_and(|after| !after.fits(Some(state))) {
                let problem = "--after takes the \"next\" of a list of the same --state";
                return Err(CliError::Misused(problem.to_owned()));
            }
            if let Some(queue) = &queue {
                known(&data, &nats, &queues, queue).await?;
            }
            let (only, limit) = (Only { queue, kind }, usize::from(limit));
            let asked = Asked { only, state: Some(state), after, limit };
            print_page(&list(&data, &nats, asked).await?, state, json);
            Ok(())
        }
        Command::Show { id, json } => show((&data, &nats, &queues), &id, json).await,
        Command::Order(wish) => order::run(&data, &queues, wish).await,
        Command::Cancel(asked) => cancel((&data, &nats, &queues), asked).await,
        Command::Retry(chosen) => {
            let bus = chosen.prepare(&data, &nats, &queues).await?;
            retry(&data, &bus, chosen).await
        }
        Command::Discard(chosen) => {
            let bus = chosen.prepare(&data, &nats, &queues).await?;
            discard(&data, &bus, chosen).await
        }
    }
}

impl Command {
    /// Whether the file of queues is needed: to tell a queue from a slip of the pen,
    /// and what becomes of its jobs.
    fn needs_the_queues(&self) -> bool {
        match self {
            Self::Order(_) | Self::Cancel(_) => true,
            Self::List { queue, .. } => queue.is_some(),
            Self::Retry(chosen) | Self::Discard(chosen) => chosen.queue.is_some(),
            Self::Show { .. } => false,
        }
    }
}

impl Chosen {
    /// Checks the queue that is named; gives the connection by which it is told why
    /// a job cannot be acted on.
    async fn prepare(&self, data: &Data, nats: &Url, queues: &Queues) -> Result<Bus, CliError> {
        if let Some(queue) = &self.queue {
            known(data, nats, queues, queue).await?;
        }
        connect(nats).await
    }
}

async fn known(data: &Data, nats: &Url, file: &Queues, queue: &str) -> Result<(), CliError> {
    if file.queues.contains_key(queue) {
        return Ok(());
    }
    overview::known_queue(data, &connect(nats).await?, file, queue).await.map_err(failed)
}

async fn cancel(
    (data, nats, file): (&Data, &Url, &Queues),
    asked: ToCancel,
) -> Result<(), CliError> {
    let bus = connect(nats).await?;
    let ToCancel { id, queue, kind, json } = asked;
    let Some(id) = id else {
        if let Some(queue) = &queue {
            known(data, nats, file, queue).await?;
        }
        let only = Only { queue, kind };
        let cancelled = overview::cancel_all(data, &bus, &only).await.map_err(failed)?;
        if json {
            print_json(&serde_json::json!({"cancelled": cancelled}));
        } else {
            println!("called off: {cancelled}");
        }
        return Ok(());
    };
    overview::cancel(data, &bus, file, &id).await.map_err(failed)?;
    if json {
        print_json(&serde_json::json!({"id": id}));
    } else {
        println!("{id} is called off");
    }
    Ok(())
}

async fn list(data: &Data, nats: &Url, asked: Asked) -> Result<Page<Listed>, CliError> {
    let bus = match asked.state {
        Some(JobState::Queued | JobState::Running) => connect(nats).await?,
        // Not asked: a NATS that is away is not waited for.
        _ => Bus::connect(nats, "worker command").await.map_err(failed)?,
    };
    overview::list(data, &bus, asked).await.map_err(failed)
}

pub(super) fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("what the API gives is JSON");
    println!("{text}");
}

fn print_page(page: &Page<Listed>, state: JobState, json: bool) {
    if json {
        return print_json(page);
    }
    if page.items.is_empty() && page.next.is_none() {
        println!("No jobs are {state}; other states: --state.");
    }
    for job in &page.items {
        println!(
            "{}  {:<14} {:<12} {}  attempt {}  {}",
            job.id,
            job.queue,
            job.kind,
            job.at,
            job.tries(),
            job.reason.as_deref().unwrap_or(job.state.as_str())
        );
    }
    if let Some(next) = &page.next {
        println!("There are more: --after {next}");
    }
}

/// NATS is asked only for what the database does not know.
async fn show(
    (data, nats, file): (&Data, &Url, &Queues),
    id: &str,
    json: bool,
) -> Result<(), CliError> {
    if let Some(retried) = jobs::retried(data, id.to_owned()).await? {
        print_retried(&retried, json);
        return Ok(());
    }
    let found = match overview::known(data, file, id).await? {
        Some(known) => Some(known),
        None => overview::find(data, &connect(nats).await?, file, id).await.map_err(failed)?,
    };
    let Some(detail) = found else { return Err(failed(overview::absent(data, id).await)) };
    if json {
        print_json(&detail);
    } else {
        print_detail(&detail);
    }
    Ok(())
}

fn print_retried(job: &Retried, json: bool) {
    if json {
        return print_json(job);
    }
    println!("job       {}", job.id);
    println!("queue     {} ({})", job.queue, job.kind);
    println!("state     sent back at {}; it goes on as {}", job.at, job.retried_as);
    println!("reason    {}", job.reason);
}

fn print_detail(detail: &Detail) {
    let job = &detail.job;
    println!("job       {}", job.id);
    println!("queue     {} ({})", job.queue, job.kind);
    println!("state     {}", job.state);
    if !detail.is_poison() {
        let limit = detail.max_attempts.map_or_else(String::new, |max| format!(" of {max}"));
        println!("attempt   {}{limit}", job.tries());
    }
    let some = |name: &str, value: Option<String>| {
        value.into_iter().for_each(|value| println!("{name:<9} {value}"));
    };
    some("snoozes", (job.snoozes > 0).then(|| job.snoozes.to_string()));
    some("made", Some(job.made.to_string()));
    some("due", job.run_at.map(|at| at.to_string()));
    some("finished", job.finished.map(|at| at.to_string()));
    some("cause", (!job.cause.is_empty()).then(|| job.cause.clone()));
    if let Some(order) = &detail.order {
        some("priority", Some(order.priority.as_str().to_owned()));
        some("cost", Some(order.cost.to_string()));
        some("batch", order.batch.map(|batch| batch.to_string()));
    }
    some("key", detail.unique_key.as_ref().map(|unique| key(unique, &job.id)));
    some("reason", job.reason.clone());
    for attempt in &detail.errors {
        println!("error     {} at {}: {}", attempt.attempt, attempt.at, attempt.error);
    }
    some("result", detail.result.as_ref().map(result));
    match (&detail.order, &detail.message) {
        (Some(order), _) => println!("payload   {}", order.payload.as_str()),
        (None, Some(message @ Body::Text(_))) => println!("no job    {message}"),
        (None, Some(bytes @ Body::Bytes(_))) => println!("no job    {bytes} (base64)"),
        (None, None) => {}
    }
}

fn result(made: &Made) -> String {
    let value = made.value.as_ref().map_or("too large to be kept", Untyped::as_str);
    format!("{} bytes: {value}", made.bytes)
}

fn key(unique: &UniqueKey, job: &str) -> String {
    match unique.holder.as_deref() {
        Some(holder) if holder == job => format!("{} (held)", unique.key),
        Some(holder) => format!("{} (held by {holder})", unique.key),
        None => format!("{} (free)", unique.key),
    }
}

async fn retry(data: &Data, bus: &Bus, chosen: Chosen) -> Result<(), CliError> {
    let json = chosen.json;
    let mut sent = Vec::new();
    let mut refused = Vec::new();
    for id in ids(data, chosen, |job| !job.is_cancelled()).await? {
        match overview::retry(data, bus, &id).await {
            Ok(now) => sent.push(serde_json::json!({"id": now, "was": id})),
            Err(undone) => refused.push(chain(&undone)),
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

async fn discard(data: &Data, bus: &Bus, chosen: Chosen) -> Result<(), CliError> {
    let json = chosen.json;
    let mut forgotten = Vec::new();
    let mut refused = Vec::new();
    for id in ids(data, chosen, |_| true).await? {
        match overview::discard(data, bus, &id).await {
            Ok(()) => forgotten.push(id),
            Err(undone) => refused.push(chain(&undone)),
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

/// The chosen ids; with `--all`, of those that are dead now the `meant` ones.
async fn ids(
    data: &Data,
    chosen: Chosen,
    meant: fn(&Listed) -> bool,
) -> Result<Vec<String>, CliError> {
    if !chosen.all {
        return Ok(chosen.ids);
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = jobs::list(data, Which::Dead, chosen.queue.clone(), after, PAGE).await?;
        ids.extend(page.items.into_iter().filter(meant).map(|job| job.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(ids),
        }
    }
}
