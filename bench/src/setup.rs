//! What the peers of a benchmark need: programs in the cache, servers that end
//! with the value that holds them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stack::place;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// This program, to be run as a process of a benchmark.
pub fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("a running program has a path"))
}

/// Runs a command to its end.
///
/// # Errors
/// What it printed, when it failed.
pub fn finished(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let printed = format!("{} {}", text(&output.stdout), text(&output.stderr));
    let program = command.get_program().display();
    Err(format!("{program} ended with {}: {}", output.status, printed.trim()))
}

/// Where a peer is installed; never in the repository.
///
/// # Errors
/// When it cannot be made.
pub fn cache(peer: &str) -> Result<PathBuf, String> {
    let dir = place::cache_dir().join("peers").join(peer);
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

/// Builds a pinned program of Go from `source`, and gives its path. Go keeps
/// what it has built: a second build takes a second.
///
/// # Errors
/// Why it cannot be built.
pub fn built(source: &Path, name: &str) -> Result<PathBuf, String> {
    let program = cache(name)?.join(name);
    let mut build = Command::new("go");
    build.current_dir(source).args(["build", "-mod=readonly", "-o"]).arg(&program);
    finished(build.arg("."))?;
    Ok(program)
}

/// Unpacks packages of Debian, with what they need and this machine has not.
///
/// # Errors
/// Why they cannot be had.
pub fn unpack(root: &Path, packages: &[&str]) -> Result<(), String> {
    let debs = root.join("debs");
    fs::create_dir_all(debs.join("partial")).map_err(|error| error.to_string())?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-q", "--download-only", "--no-install-recommends"]);
        // Nothing is installed, so that nobody has to be kept out.
        apt.args(["-o", "Debug::NoLocking=1", "-o"]);
        apt.arg(format!("Dir::Cache::archives={}", debs.display()));
        finished(apt.args(packages))
    };
    if download().is_err() {
        finished(Command::new("apt-get").arg("update"))?;
        download()?;
    }
    let entries = fs::read_dir(&debs).map_err(|error| error.to_string())?.flatten();
    let packages = entries.map(|entry| entry.path());
    for package in packages.filter(|path| path.extension().is_some_and(|it| it == "deb")) {
        finished(Command::new("dpkg-deb").arg("-x").arg(&package).arg(root))?;
    }
    Ok(())
}

/// The libraries of packages that were unpacked there.
pub fn libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

/// A server that ends with this value.
pub struct Server(Child);

impl Server {
    /// Starts it; what it prints goes to `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let file = fs::File::create(log).map_err(|error| error.to_string())?;
        let errors = file.try_clone().map_err(|error| error.to_string())?;
        let started = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        started.map(Self).map_err(|error| format!("{command:?} does not start: {error}"))
    }

    /// Waits until `ready`, as long as it lives.
    ///
    /// # Errors
    /// What it printed, when that does not come.
    pub fn wait(&mut self, log: &Path, ready: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + READY_WITHIN;
        while !ready() {
            let ended = self.0.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                let log = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("a server is not ready: {}", log.trim()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let children = stack::procfs::children(self.pid());
        let _gone = self.0.kill();
        let _gone = self.0.wait();
        for child in children {
            stack::procfs::signal(child, stack::Signal::KILL);
        }
    }
}
