//! PocketBase: a client posts its subscriptions once it is connected, and an
//! event is a record that is made.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use stack::ports::Port;
use stack::{TempDir, place};

use super::ground::Ground;
use super::mark::Mark;
use super::post::Poster;
use crate::setup::{Server, built};

/// Builds the pinned one.
///
/// # Errors
/// Why it cannot be built.
pub fn install() -> Result<PathBuf, String> {
    built(&place::root().join("bench/live-peers/pocketbase"), "pocketbase")
}

/// A running one.
pub struct PocketBase {
    server: Server,
    port: Port,
    poster: Poster,
    sent: u32,
    _dir: TempDir,
}

impl PocketBase {
    /// Starts it on an empty database.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = Port::take().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        // It takes a program in the user's cache for one that is being developed.
        command.args(["serve", "--dev=false", &format!("--http={}", port.address())]);
        command.arg(format!("--dir={}", dir.path().join("data").display()));
        let log = dir.path().join("out.log");
        let mut server = Server::start(&mut command, &log)?;
        server.wait(&log, || Poster::connect(port.address()).is_ok())?;
        let poster = Poster::connect(port.address())?;
        Ok(Self { server, port, poster, sent: 0, _dir: dir })
    }
}

impl Ground for PocketBase {
    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// All are in one room: a subscription names a collection or a record.
    fn path(&self, _room: usize) -> String {
        "/api/realtime".to_owned()
    }

    fn publish(&mut self, _room: usize) -> Result<(), String> {
        self.sent += 1;
        let record = json!({"text": Mark::now(self.sent).text()});
        let path = "/api/collections/comments/records";
        self.poster.post(path, "application/json", &record.to_string())
    }

    fn serving(&self) -> Vec<u32> {
        vec![self.server.pid()]
    }

    fn replays(&self) -> bool {
        false
    }

    fn subscribe(&self) -> Option<(String, Vec<String>)> {
        let topics = ["comments/*", "views/*", "readers/*"].map(str::to_owned);
        Some(("/api/realtime".to_owned(), topics.into()))
    }
}
