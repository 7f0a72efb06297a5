//! Installs the peers into the cache, in the versions that are pinned under
//! `bench/queue-peers`; never into the repository.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::place;

use crate::setup::{built, cache, finished, libraries, unpack};

/// Debian's package of Redis.
const REDIS: &str = "redis-server";
/// What the peer of BullMQ is made of.
const BULLMQ: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "main.js"];

/// The peers, each installed when it is first asked for.
#[derive(Default)]
pub struct Peers {
    river: OnceCell<Result<PathBuf, String>>,
    bullmq: OnceCell<Result<PathBuf, String>>,
    redis: OnceCell<Result<RedisServer, String>>,
}

impl Peers {
    /// The program of the peer of River.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub fn river(&self) -> Result<PathBuf, String> {
        self.river.get_or_init(river).clone()
    }

    /// The program of the peer of BullMQ.
    ///
    /// # Errors
    /// Why its packages cannot be installed.
    pub fn bullmq(&self) -> Result<PathBuf, String> {
        self.bullmq.get_or_init(bullmq).clone()
    }

    /// Redis.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn redis(&self) -> Result<RedisServer, String> {
        self.redis.get_or_init(redis).clone()
    }
}

/// Where what is pinned of a peer is.
pub fn source(peer: &str) -> PathBuf {
    place::root().join("bench/queue-peers").join(peer)
}

fn river() -> Result<PathBuf, String> {
    built(&source("river"), "river")
}

/// By `npm install` and not `npm ci`: the latter refuses a lock that leaves out
/// optional packages of other systems. What the lock names is taken as it says.
fn bullmq() -> Result<PathBuf, String> {
    let (from, into) = (source("bullmq"), cache("bullmq")?);
    let lock = |dir: &Path| fs::read(dir.join("package-lock.json")).ok();
    let installed = into.join("node_modules/.package-lock.json").exists();
    let current = installed && lock(&from) == lock(&into);
    for name in BULLMQ {
        let copied = fs::copy(from.join(name), into.join(name));
        copied.map_err(|error| format!("copying {name} of BullMQ's peer: {error}"))?;
    }
    if !current {
        let mut install = Command::new("npm");
        install.current_dir(&into).args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        finished(&mut install)?;
    }
    Ok(into.join("main.js"))
}

/// A program of Redis, and where its libraries are.
#[derive(Debug, Clone)]
pub struct RedisServer {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl RedisServer {
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Its own words about its version.
    pub fn version(&self) -> Result<String, String> {
        let words = finished(self.command().arg("--version"))?;
        let version = words.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Ok(version.unwrap_or("of unknown version").to_owned())
    }
}

/// The one of this machine, else Debian's packages, unpacked into the cache.
fn redis() -> Result<RedisServer, String> {
    let own = RedisServer { program: "redis-server".into(), libraries: None };
    if own.version().is_ok() {
        return Ok(own);
    }
    let root = cache("redis")?;
    let libraries = Some(libraries(&root));
    let unpacked = RedisServer { program: root.join("usr/bin/redis-server"), libraries };
    if unpacked.version().is_err() {
        unpack(&root, &[REDIS])?;
        unpacked.version()?;
    }
    Ok(unpacked)
}
