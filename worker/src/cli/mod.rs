//! The command line.

pub mod jobs;
pub mod order;
pub mod queues;
pub mod sources;

use std::time::Duration;

use clap::{Parser, Subcommand};
use shared::bus::Bus;
use shared::config::{Env, Mistakes};
use shared::error::chain;
use url::Url;

use crate::config::{Config, Role};

/// How long a command waits for the connection to NATS.
const NATS_WAIT: Duration = Duration::from_secs(3);

/// Executes the jobs of Hearth.
#[derive(Debug, Parser)]
#[command(
    name = "worker",
    version,
    about,
    after_help = "\
Example: worker run --role data

Configuration comes from the environment: NATS_URL, QUEUES_FILE, and by role
SITE_DATA_DIR, SITE_URL, SOURCES_FILE, COMMENTS_MODERATION, SMTP_URL, MAIL_FROM (data) and S3_… (compute).

Exit status: 0 done, 1 failed, 2 used wrongly."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take jobs from the queues until SIGTERM
    #[command(after_help = "\
Examples:
  worker run                  all queues, beside the database
  worker run --role compute   images alone, on any machine that reaches NATS and S3")]
    Run {
        /// Which queues to take
        #[arg(long, value_enum, default_value_t = Role::All)]
        role: Role,
    },
    /// Look at jobs; order one, or call it off; send dead ones back, or forget them
    #[command(
        subcommand,
        after_help = "\
Examples:
  worker jobs list                      the dead jobs, newest first
  worker jobs list --state done --json  what was done, for a script
  worker jobs list --state scheduled    what is to come
  worker jobs show 0199c0de-…           one job with every error and its payload
  worker jobs order words count --payload '{\"text\": \"one two\"}'
  worker jobs cancel 0199c0de-…         have a job not run, or cut it off
  worker jobs retry 0199c0de-…          send a dead job back to its queue
  worker jobs retry --all --queue mail  or all of a queue
  worker jobs discard 0199c0de-…        forget a dead job"
    )]
    Jobs(jobs::Command),
    /// Look at the queues; pause one, or have it go on
    #[command(
        subcommand,
        after_help = "\
Examples:
  worker queues list
  worker queues list --json
  worker queues periodic                what is sent again and again, and when"
    )]
    Queues(queues::Command),
    /// Look at what is asked of other sites; ask one now
    #[command(
        subcommand,
        after_help = "\
Examples:
  worker sources list
  worker sources poll rust-blog"
    )]
    Sources(sources::Command),
}

/// Why a command ended otherwise than well.
#[derive(Debug)]
pub enum CliError {
    /// It failed: exit status 1.
    Failed(String),
    /// It was used wrongly: exit status 2.
    Misused(String),
}

impl From<Mistakes> for CliError {
    fn from(mistakes: Mistakes) -> Self {
        Self::Misused(mistakes.to_string())
    }
}

impl From<shared::db::Error> for CliError {
    fn from(error: shared::db::Error) -> Self {
        Self::Failed(chain(&error))
    }
}

impl From<crate::RunError> for CliError {
    fn from(error: crate::RunError) -> Self {
        match error {
            crate::RunError::Registry(error) => Self::Misused(format!("QUEUES_FILE: {error}")),
            error => Self::Failed(chain(&error)),
        }
    }
}

impl Cli {
    /// Whether the process stays: then it is worth making it small.
    #[must_use]
    pub fn is_long_lived(&self) -> bool {
        matches!(self.command, Command::Run { .. })
    }
}

/// Does what the command line says.
///
/// # Errors
/// When that failed, or cannot be done.
pub async fn run(cli: Cli, env: Env) -> Result<(), CliError> {
    match cli.command {
        Command::Run { role } => {
            let config = Config::from_env(env, role)?;
            config.log.start();
            let shutdown = shared::shutdown::on_signal()
                .map_err(|error| CliError::Failed(format!("cannot listen to signals: {error}")))?;
            Ok(crate::run(config, shutdown).await?)
        }
        Command::Jobs(command) => jobs::run(command, env).await,
        Command::Queues(command) => queues::run(command, env).await,
        Command::Sources(command) => sources::run(command, env).await,
    }
}

/// Connects, and gives NATS a moment to be there; when it is not, whatever is
/// asked of it says so.
async fn connect(nats: &Url) -> Result<Bus, CliError> {
    let bus = Bus::connect(nats, "worker command").await.map_err(failed)?;
    let connected = async {
        while bus.ready().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _away = tokio::time::timeout(NATS_WAIT, connected).await;
    Ok(bus)
}

fn failed(error: impl std::error::Error) -> CliError {
    CliError::Failed(chain(&error))
}
