//! Servers and whole stacks for tests: started fresh in a directory of their own, and gone
//! with the value that holds them.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thiserror::Error;

use crate::install::{self, InstallError};
use crate::place::{self, Layout};
use crate::ports::Port;
use crate::process::{self, Process, Spec};
use crate::procfs;
use crate::progress::Progress;
use crate::records::{self, SiteJson, State};
use crate::{environment, logs, servers};

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
        Ok(Self { server: Server::start(spec, ports)?, url: format!("nats://{client}") })
    }

    /// Its address for clients; the same after a restart.
    pub fn url(&self) -> &str {
        &self.url
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

/// The whole site, started by `./site up --detach` in a directory of its own.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    url: String,
    _dir: TempDir,
}

impl Stack {
    /// Starts a site and waits until all of it is ready. The binaries must have been built.
    ///
    /// # Errors
    /// When it does not start; the error holds what `./site up` printed.
    pub fn start() -> Result<Self, HandleError> {
        Self::with(&[])
    }

    /// As [`Stack::start`], with variables of the site set as a caller would.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn with(variables: &[(&str, &str)]) -> Result<Self, HandleError> {
        let dir = TempDir::new()?;
        let layout = layout(dir.path())?;
        let mut stack = Self { layout, url: String::new(), _dir: dir };
        let words = ["up", "--detach", "--no-build", "--port", "0"];
        let output = stack.command(&words)?.envs(variables.iter().copied()).output();
        check("./site up", &output.map_err(system("running ./site up"))?)?;
        stack.url = stack.site()?.url;
        Ok(stack)
    }

    fn command(&self, words: &[&str]) -> Result<Command, HandleError> {
        let program = place::release_dir().map_err(system("finding ./site"))?.join("site");
        let mut command = Command::new(program);
        command.args(words).arg("--dir").arg(self.layout.dir()).stdin(Stdio::null());
        Ok(command)
    }

    /// The address of the site.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The files of the stack.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// `site.json` as it is now.
    ///
    /// # Errors
    /// When the stack does not run.
    pub fn site(&self) -> Result<SiteJson, HandleError> {
        records::read(&self.layout.site_json()).ok_or_else(|| HandleError::Failed {
            what: format!("{} cannot be read", self.layout.site_json().display()),
            output: String::new(),
        })
    }

    /// Sends a signal to a process; gives its pid.
    ///
    /// # Errors
    /// When the process does not run.
    pub fn kill(&self, name: &str, signal: Signal) -> Result<u32, HandleError> {
        let pid = self.site()?.pids.get(name).ok_or_else(|| HandleError::Failed {
            what: format!("{name} does not run"),
            output: String::new(),
        })?;
        procfs::signal(pid, signal);
        Ok(pid)
    }

    /// Waits until a process that had the pid `before` has another one and is ready.
    ///
    /// # Panics
    /// When it is not back within a minute.
    #[track_caller]
    pub fn wait_back(&self, name: &str, before: u32) {
        eventually(&format!("{name} is back and ready"), Duration::from_secs(60), || {
            let pid = self.site().ok()?.pids.get(name)?;
            (pid != before && self.is_ready(name)).then_some(())
        });
    }

    /// Waits until every process runs and is ready.
    ///
    /// # Panics
    /// When that is not so within a minute.
    #[track_caller]
    pub fn wait_ready(&self) {
        eventually("every process is ready", Duration::from_secs(60), || {
            let pids = self.site().ok()?.pids;
            let ready = |(name, pid): (&str, Option<u32>)| pid.is_some() && self.is_ready(name);
            pids.named().into_iter().all(ready).then_some(())
        });
    }

    fn is_ready(&self, name: &str) -> bool {
        let asked = if name == "cron" { "litestream" } else { name };
        let state: Option<State> = records::read(&self.layout.state_json());
        let process = state.and_then(|state| state.processes.get(asked).cloned());
        process.and_then(|process| process.ready_at).is_some_and(|at| process::ask(&at).is_ok())
    }

    /// Runs a binary of the site with the stack's environment.
    ///
    /// # Errors
    /// When it cannot be run; a failure of its own is in its output.
    pub fn exec(&self, name: &str, arguments: &[&str]) -> Result<Output, HandleError> {
        let output = self.command(&["exec", name])?.arg("--").args(arguments).output();
        output.map_err(system("running ./site exec"))
    }

    /// Stops the stack in the right order. Its files stay until this value goes.
    ///
    /// # Errors
    /// When a process does not end.
    pub fn down(&self) -> Result<(), HandleError> {
        let output = self.command(&["down"])?.output().map_err(system("running ./site down"))?;
        check("./site down", &output)
    }

    /// Starts the stack again on its files, after [`Stack::down`] or the death of its
    /// supervisor. Its addresses are others then.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn up(&mut self) -> Result<(), HandleError> {
        let output = self.command(&["up", "--detach", "--no-build", "--port", "0"])?.output();
        check("./site up", &output.map_err(system("running ./site up"))?)?;
        self.url = self.site()?.url;
        Ok(())
    }

    fn tell_logs(&self) {
        for name in logs::NAMES {
            if let Ok(lines) = process::last_lines(&self.layout.log(name), 0, 25) {
                eprintln!("--- the last lines of {name}\n{lines}");
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell_logs();
        }
        if let Err(error) = self.down() {
            eprintln!("{error}");
        }
    }
}

fn check(what: &str, output: &Output) -> Result<(), HandleError> {
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    Err(HandleError::Failed {
        what: format!("{what} ended with {}", output.status),
        output: String::from_utf8_lossy(&text).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

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
