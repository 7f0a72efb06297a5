//! PostgreSQL and Redis, each started fresh in a directory of its own.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::TempDir;
use stack::ports::Port;

use super::install::RedisServer;
use crate::setup::{Server, finished};

/// PostgreSQL refuses to be root; then it is this user.
const NOBODY: u32 = 65_534;
/// What its manual advises for a small machine; durable, as it is by default.
const POSTGRES: [&str; 6] = [
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "max_connections=200",
    "fsync=on",
    "synchronous_commit=on",
    "listen_addresses=127.0.0.1",
];

/// A cluster of its own.
pub struct Postgres {
    _server: Server,
    port: Port,
    _dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is not there, or does not start.
    pub fn start() -> Result<Self, String> {
        let initdb = program("initdb")?;
        let bin = initdb.parent().unwrap_or(Path::new("/")).to_owned();
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let user = owner(dir.path())?;
        let data = dir.path().join("cluster");
        let mut init = as_user(&initdb, user);
        init.arg("-D").arg(&data).args(["-U", "bench", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        finished(&mut init)?;
        let port = Port::take().map_err(|error| error.to_string())?;
        let mut command = as_user(&bin.join("postgres"), user);
        command.arg("-D").arg(&data).arg("-k").arg(dir.path());
        command.args(["-p", &port.number().to_string()]);
        command.args(POSTGRES.iter().flat_map(|setting| ["-c", setting]));
        let log = dir.path().join("postgres.log");
        let mut server = Server::start(&mut command, &log)?;
        let pid_file = data.join("postmaster.pid");
        server.wait(&log, || is_ready(&pid_file))?;
        Ok(Self { _server: server, port, _dir: dir })
    }

    pub fn url(&self) -> String {
        format!("postgres://bench@127.0.0.1:{}/postgres", self.port.number())
    }
}

/// The last line of PostgreSQL's own file says so.
fn is_ready(pid_file: &Path) -> bool {
    std::fs::read_to_string(pid_file)
        .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
}

/// The user that a directory is for, who is not root; it is made theirs.
fn owner(dir: &Path) -> Result<Option<u32>, String> {
    let meta = std::fs::metadata(dir).map_err(|error| error.to_string())?;
    if meta.uid() != 0 {
        return Ok(None);
    }
    chown(dir, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
    Ok(Some(NOBODY))
}

fn as_user(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// A program of PostgreSQL: in the path, or where Debian has it.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .chain(debian.map(|version| version.path().join("bin").join(name)))
        .filter_map(|path| path.canonicalize().ok())
        .find(|path| path.with_file_name("postgres").is_file());
    found.ok_or_else(|| format!("PostgreSQL is not installed: there is no {name}"))
}

/// When Redis syncs its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before it answers.
    Always,
    /// Once a second.
    EverySecond,
}

/// Redis on a log of its own.
pub struct Redis {
    _server: Server,
    port: Port,
    _dir: TempDir,
}

impl Redis {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &RedisServer, fsync: Fsync) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = Port::take().map_err(|error| error.to_string())?;
        let fsync = match fsync {
            Fsync::Always => "always",
            Fsync::EverySecond => "everysec",
        };
        let mut command = program.command();
        command.args(["--port", &port.number().to_string(), "--bind", "127.0.0.1"]);
        command.args(["--dir", &dir.path().display().to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", fsync]);
        command.args(["--maxmemory-policy", "noeviction"]);
        let log = dir.path().join("redis.log");
        let mut server = Server::start(&mut command, &log)?;
        let address = port.address();
        server.wait(&log, || std::net::TcpStream::connect(address).is_ok())?;
        Ok(Self { _server: server, port, _dir: dir })
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }
}
