//! Why a stack did not start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::admin::AdminError;

/// Why a stack did not start, or ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The directory belongs to a stack that is running.
    #[error("a site is already running from {} (pid {pid}, {url}); `./site down --dir {}` stops it", dir.display(), dir.display())]
    Running {
        /// `DIR`.
        dir: PathBuf,
        /// Of the supervisor; 0 where it has not told it yet.
        pid: u32,
        /// Where it answers.
        url: String,
    },
    /// Something else listens on the port of the site.
    #[error("port {port} is in use by {holder}; choose another with --port (0 takes a free one)")]
    Port {
        /// The port.
        port: u16,
        /// The name and pid of the process, where it can be told.
        holder: String,
    },
    /// A file of the stack.
    #[error("{operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The processes could not be planned.
    #[error("preparing the stack")]
    Plan(#[source] io::Error),
    /// A program could not be started.
    #[error("starting {name} ({})", program.display())]
    Start {
        /// The process.
        name: &'static str,
        /// Its program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A process ended, or was not ready in time.
    #[error("{name} {what}; the last lines of {}:\n{lines}", log.display())]
    Failed {
        /// The process.
        name: &'static str,
        /// What happened to it.
        what: String,
        /// Its log.
        log: PathBuf,
        /// What it printed last.
        lines: String,
    },
    /// There is no token or link.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The user ended the start.
    #[error("stopped before the site was ready")]
    Interrupted,
}
