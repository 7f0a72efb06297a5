//! `worker sources`: what the gateway asks other sites for.

use clap::Subcommand;
use shared::config::Env;
use shared::db::sources::{self, State};
use shared::db::{Data, Tx, outbox};
use shared::jobs::gateway::PollSource;
use shared::time::Instant;
use uuid::Uuid;

use super::CliError;
use crate::config;

/// What to do with sources.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the sources: when each was asked, and which are left alone
    #[command(after_help = "Example: worker sources list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a source now, even one that is left alone
    #[command(after_help = "Example: worker sources poll rust-blog")]
    Poll {
        /// Its name in sources.yml
        source: String,
    },
}

/// Does what the command says.
///
/// # Errors
/// When the database cannot be used, or there is no such source.
pub async fn run(command: Command, env: Env) -> Result<(), CliError> {
    let data = Data::open(&config::data_dir(env)?)?;
    match command {
        Command::List { json } => list(&data, json).await,
        Command::Poll { source } => poll(&data, source).await,
    }
}

async fn list(data: &Data, json: bool) -> Result<(), CliError> {
    let items = sources::list(data).await?;
    if json {
        println!("{:#}", serde_json::json!({"items": items}));
        return Ok(());
    }
    println!("source            asked                     state");
    for item in items {
        let asked = item.asked_at.map_or_else(|| "not yet".to_owned(), |at| at.to_string());
        println!("{:<17} {asked:<25} {}", item.name, state(&item));
    }
    Ok(())
}

fn state(item: &State) -> String {
    let why = item.error.as_deref().unwrap_or_default();
    match (item.rests_until, item.failures) {
        (Some(until), times) if until > Instant::now() => {
            format!("left alone until {until} after {times} failures: {why}")
        }
        (_, 0) => "good".to_owned(),
        (_, times) => format!("failed {times} times: {why}"),
    }
}

async fn poll(data: &Data, source: String) -> Result<(), CliError> {
    if sources::find(data, source.clone()).await?.is_none() {
        return Err(CliError::Misused(format!("there is no source {source}")));
    }
    let job = PollSource { source, turn: None };
    let send = move |tx: &Tx<'_>| outbox::job(tx, job, Uuid::now_v7());
    let id = data.writer().write::<_, shared::db::Error, _>(send).await?;
    println!("{id}");
    Ok(())
}
