//! Who takes part, and the servers and processes of each.

use std::path::{Path, PathBuf};
use std::process::Command;

use stack::TempDir;

use super::install::Peers;
use super::measure::Ground;
use super::servers::{Fsync, Postgres, Redis};
use super::{hearth, jetstream};

/// One of those that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    Hearth,
    JetStream,
    /// With so many workers.
    River(usize),
    BullMq(Fsync),
}

impl Contestant {
    pub const ALL: [Self; 6] = [
        Self::Hearth,
        Self::JetStream,
        Self::River(64),
        Self::River(500),
        Self::BullMq(Fsync::Always),
        Self::BullMq(Fsync::EverySecond),
    ];

    /// The name that `--only` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hearth => "hearth",
            Self::JetStream => "jetstream",
            Self::River(64) => "river-64",
            Self::River(_) => "river-500",
            Self::BullMq(Fsync::Always) => "bullmq-always",
            Self::BullMq(Fsync::EverySecond) => "bullmq-everysec",
        }
    }

    /// How it is set up, for the table.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Hearth => "outbox and effect in SQLite (FULL), NATS sync always",
            Self::JetStream => "packs of 500, no database, NATS sync always",
            Self::River(64) => "PostgreSQL, 64 workers",
            Self::River(_) => "PostgreSQL, 500 workers",
            Self::BullMq(Fsync::Always) => "Redis, appendfsync always",
            Self::BullMq(Fsync::EverySecond) => "Redis, appendfsync everysec: loses a second",
        }
    }

    /// Whether it is a peer that keeps what it has confirmed through a power
    /// cut.
    pub fn is_durable_peer(self) -> bool {
        matches!(self, Self::River(_) | Self::BullMq(Fsync::Always))
    }

    /// Starts its servers, empty.
    ///
    /// # Errors
    /// Why they do not start, or cannot be installed.
    pub fn start(self, peers: &Peers) -> Result<Box<dyn Ground>, String> {
        Ok(match self {
            Self::Hearth => Box::new(Store::start()?),
            Self::JetStream => Box::new(Nats::start()?),
            Self::River(workers) => {
                let peer = peers.river()?;
                Box::new(River::start(peer, workers)?)
            }
            Self::BullMq(fsync) => {
                let (program, server) = (peers.bullmq()?, peers.redis()?);
                Box::new(BullMq { program, redis: Redis::start(&server, fsync)? })
            }
        })
    }
}

/// NATS as the site has it.
pub struct Nats {
    server: stack::Nats,
    dir: TempDir,
}

impl Nats {
    fn start() -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let server = stack::Nats::start(dir.path()).map_err(|error| error.to_string())?;
        Ok(Self { server, dir })
    }

    pub fn url(&self) -> &str {
        self.server.url()
    }
}

/// NATS and a database.
pub struct Store(Nats);

impl Store {
    fn start() -> Result<Self, String> {
        let nats = Nats::start()?;
        hearth::prepare(nats.dir.path())?;
        Ok(Self(nats))
    }

    pub fn dir(&self) -> &Path {
        self.0.dir.path()
    }

    pub fn nats_url(&self) -> &str {
        self.0.url()
    }
}

struct River {
    program: PathBuf,
    workers: usize,
    postgres: Postgres,
}

impl River {
    fn start(program: PathBuf, workers: usize) -> Result<Self, String> {
        let river = Self { program, workers, postgres: Postgres::start()? };
        crate::setup::finished(&mut river.command("migrate"))?;
        Ok(river)
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([role, &self.postgres.url()]);
        command
    }
}

impl Ground for River {
    fn worker(&self, every: usize) -> Command {
        let mut command = self.command("work");
        command.args([every, self.workers].map(|number| number.to_string()));
        command
    }

    fn producer(&self) -> Command {
        self.command("produce")
    }
}

struct BullMq {
    program: PathBuf,
    redis: Redis,
}

impl BullMq {
    fn command(&self, role: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.program).args([role, &self.redis.port().to_string()]);
        command
    }
}

impl Ground for BullMq {
    fn worker(&self, every: usize) -> Command {
        let mut command = self.command("work");
        command.arg(every.to_string());
        command
    }

    fn producer(&self) -> Command {
        self.command("produce")
    }
}

/// A process of the contestants that are written in Rust.
#[derive(clap::Args)]
pub struct Process {
    role: String,
    dir: PathBuf,
    nats: String,
    /// A worker says `done` each so many jobs.
    #[arg(default_value_t = 1)]
    every: usize,
}

impl Process {
    /// Plays its role until it is killed.
    pub async fn run(self) {
        // The level of the site, since spans cost time; less of its words.
        let level = ("LOG_LEVEL".to_owned(), "info,async_nats=warn,shared::bus=warn".to_owned());
        let mut env = shared::config::Env::new([level]);
        shared::telemetry::log::Log::from_env(&mut env).start();
        let url = self.nats.parse().expect("an address of NATS");
        let bus = shared::bus::Bus::connect(&url, &self.role).await.expect("NATS can be tried");
        while bus.ensure_streams().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        match self.role.as_str() {
            "hearth-worker" => hearth::work(&self.dir, bus, self.every).await,
            "hearth-producer" => hearth::produce(&self.dir, bus).await,
            "jetstream-worker" => jetstream::work(bus, self.every).await,
            "jetstream-producer" => jetstream::produce(bus).await,
            other => panic!("there is no role {other}"),
        }
    }
}
