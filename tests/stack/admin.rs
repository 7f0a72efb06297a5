//! The admin's way into a running stack: a bearer token, and a link that signs in once.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use thiserror::Error;

use crate::environment::{self, Variables};
use crate::http;

const TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Why there is no token or link.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The program could not be started.
    #[error("running web admin {0}")]
    Run(&'static str, #[source] io::Error),
    /// The program failed.
    #[error("web admin {command} failed: {output}")]
    Failed {
        /// The command.
        command: &'static str,
        /// What it printed.
        output: String,
    },
}

/// Mints tokens and links with `web admin`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The program `web`.
    pub program: PathBuf,
    /// Its environment.
    pub variables: Variables,
    /// Where the site listens.
    pub address: SocketAddr,
}

impl Admin {
    /// The token that was kept, while the site still knows it; else a new one.
    ///
    /// # Errors
    /// When `web admin token` fails.
    pub fn token(&self, kept: Option<String>) -> Result<String, AdminError> {
        match kept.filter(|token| self.is_known(token)) {
            Some(token) => Ok(token),
            None => self.run("token", &["--name", "local"]),
        }
    }

    /// A link that signs the admin in, once.
    ///
    /// # Errors
    /// When `web admin signin-link` fails.
    pub fn link(&self) -> Result<String, AdminError> {
        self.run("signin-link", &[])
    }

    /// Calls `changed` with a new link whenever the last one was used or has expired,
    /// until the other end of `stop` is dropped.
    pub fn keep_link(&self, mut link: String, stop: &Receiver<()>, changed: impl Fn(String)) {
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if self.is_used(&link)
                && let Ok(next) = self.link()
            {
                changed(next.clone());
                link = next;
            }
        }
    }

    fn is_known(&self, token: &str) -> bool {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let reply = http::send("GET", self.address, "/api/v1/queues", &headers, TIMEOUT);
        reply.is_ok_and(|reply| reply.status == 200)
    }

    fn is_used(&self, link: &str) -> bool {
        let reply = http::send("HEAD", self.address, path_of(link), &[], TIMEOUT);
        reply.is_ok_and(|reply| matches!(reply.status, 404 | 410))
    }

    fn run(&self, command: &'static str, arguments: &[&str]) -> Result<String, AdminError> {
        let mut web = Command::new(&self.program);
        environment::apply(&mut web, &self.variables);
        let output = web
            .args(["admin", command])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| AdminError::Run(command, source))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.trim().lines().last().filter(|_| output.status.success()) {
            Some(line) => Ok(line.trim().to_owned()),
            None => Err(AdminError::Failed {
                command,
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            }),
        }
    }
}

/// The path of an address: a site behind a proxy names itself otherwise than it listens.
fn path_of(link: &str) -> &str {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_asked_where_the_site_listens() {
        assert_eq!(path_of("https://example.com/signin?code=1"), "/signin?code=1");
        assert_eq!(path_of("http://127.0.0.1:8080/a/b"), "/a/b");
        assert_eq!(path_of("https://example.com"), "/");
    }
}
