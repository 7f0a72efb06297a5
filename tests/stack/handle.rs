//! Servers and whole stacks for tests: started fresh in a directory of their own, and gone
//! with the value that holds them.

mod stack;

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::install::{self, InstallError};
use crate::place::Layout;
use crate::ports::Port;
use crate::process::{Process, Spec};
use crate::progress::Progress;
use crate::{environment, servers};

pub use stack::Stack;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// Why a server or stack for a test did not start.
#[derive(Debug, Error)]
pub enum HandleError {
    /// The pinned server could not be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A file, port or program.
    #[error("{operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not become ready, or a command failed.
    #[error("{what}:\n{output}")]
    Failed {
        /// What did not work.
        what: String,
        /// What was printed.
        output: String,
    },
}

fn system(operation: &'static str) -> impl FnOnce(io::Error) -> HandleError {
    move |source| HandleError::System { operation, source }
}

/// Waits until `condition` gives something, at most `within`.
///
/// # Panics
/// When it gives nothing in that time; the message names `what`.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A fresh directory that goes with this value.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one below the system's directory for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self, HandleError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("hearth-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(system("making a directory for a test"))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if env::var_os("HEARTH_KEEP").is_none() {
            let _kept = fs::remove_dir_all(&self.0);
        }
    }
}

/// One server on its own.
#[derive(Debug)]
struct Server {
    spec: Spec,
    process: Process,
    _ports: Vec<Port>,
}

impl Server {
    fn start(spec: Spec, ports: Vec<Port>) -> Result<Self, HandleError> {
        let process = start_and_wait(&spec)?;
        Ok(Self { spec, process, _ports: ports })
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart(&mut self) -> Result<(), HandleError> {
        self.process.kill();
        self.process = start_and_wait(&self.spec)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn start_and_wait(spec: &Spec) -> Result<Process, HandleError> {
    let mut process = spec.start().map_err(system("starting a server"))?;
    let deadline = Instant::now() + READY_WITHIN;
    while let Err(why) = spec.readiness() {
        if process.ended().is_some() || Instant::now() > deadline {
            let output = process.last_lines(20);
            process.kill();
            return Err(HandleError::Failed { what: format!("{} {why}", spec.name), output });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}

fn ports(count: usize) -> Result<Vec<Port>, HandleError> {
    let ports: io::Result<Vec<Port>> = (0..count).map(|_| Port::take()).collect();
    ports.map_err(system("taking a free port"))
}

fn layout(dir: &Path) -> Result<Layout, HandleError> {
    let layout = Layout::new(dir).map_err(system("finding the directory"))?;
    layout.create().map_err(|(_, source)| system("making the directory")(source))?;
    Ok(layout)
}

/// NATS alone, with the configuration that the site uses.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    url: String,
    monitor: SocketAddr,
}

impl Nats {
    /// Starts it with its store below `dir`, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn start(dir: &Path) -> Result<Self, HandleError> {
        let program = install::one("nats-server", &Progress::quiet())?;
        let ports = ports(2)?;
        let (client, monitor) = (ports[0].address(), ports[1].address());
        let spec = servers::nats(&program, &layout(dir)?, client, monitor);
        Ok(Self { server: Server::start(spec, ports)?, url: format!("nats://{client}"), monitor })
    }

    /// Its address for clients; the same after a restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it tells about itself over HTTP.
    pub fn monitor(&self) -> SocketAddr {
        self.monitor
    }

    /// Ends it with signal 9.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends it with signal 9 if it runs, starts it again on the same store and port, and
    /// waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&mut self) -> Result<(), HandleError> {
        self.server.restart()
    }
}

/// MinIO alone.
#[derive(Debug)]
pub struct Minio {
    server: Server,
    endpoint: String,
}

impl Minio {
    /// The access key that it takes.
    pub const ACCESS_KEY_ID: &str = environment::ACCESS_KEY;
    /// The secret that it takes.
    pub const SECRET_ACCESS_KEY: &str = "hearth-in-a-test";
    /// Its region.
    pub const REGION: &str = environment::REGION;

    /// Starts it with its store below `dir`, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn start(dir: &Path) -> Result<Self, HandleError> {
        let program = install::one("minio", &Progress::quiet())?;
        let ports = ports(1)?;
        let address = ports[0].address();
        let credentials = (Self::ACCESS_KEY_ID, Self::SECRET_ACCESS_KEY);
        let spec = servers::minio(&program, &layout(dir)?, "minio", address, credentials);
        Ok(Self { server: Server::start(spec, ports)?, endpoint: format!("http://{address}") })
    }

    /// Its address; the same after a restart.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends it with signal 9.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// As [`Nats::restart`].
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&mut self) -> Result<(), HandleError> {
        self.server.restart()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http, procfs};

    fn status(url: &str, path: &str) -> io::Result<u16> {
        let address = url.split_once("//").unwrap().1.parse().unwrap();
        Ok(http::get(address, path)?.status)
    }

    #[test]
    fn minio_comes_back_on_its_port_after_a_kill() {
        let dir = TempDir::new().unwrap();
        let mut minio = Minio::start(dir.path()).unwrap();
        let endpoint = minio.endpoint().to_owned();
        assert_eq!(status(&endpoint, "/minio/health/live").unwrap(), 200);
        minio.kill();
        assert!(status(&endpoint, "/minio/health/live").is_err());
        minio.restart().unwrap();
        assert_eq!(status(minio.endpoint(), "/minio/health/live").unwrap(), 200);
    }

    #[test]
    fn nats_is_gone_with_its_handle() {
        let dir = TempDir::new().unwrap();
        let nats = Nats::start(dir.path()).unwrap();
        let pid = nats.server.process.pid();
        assert!(procfs::is_alive(pid) && nats.url().starts_with("nats://127.0.0.1:"));
        drop(nats);
        assert!(!procfs::is_alive(pid));
    }
}
