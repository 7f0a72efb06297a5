//! Installs the pinned servers into the cache.
//!
//! A server counts as installed when the cache holds it, or when a program on this machine
//! was built from the pinned module with the pinned checksum. Otherwise its module is
//! downloaded, its checksum compared, and it is built beside the cache and moved in.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;
use thiserror::Error;

use crate::place;
use crate::progress::{Progress, Task, spoken};
use crate::tools::{self, Tool, ToolsError};

/// The programs of the servers.
#[derive(Debug, Clone)]
pub struct Servers {
    /// `nats-server`.
    pub nats: PathBuf,
    /// `minio`; the off-site store is a second process of it.
    pub minio: PathBuf,
    /// `litestream`.
    pub litestream: PathBuf,
}

/// Why a server could not be installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// `deploy/tools` is wrong.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// A file or directory of the cache.
    #[error("{operation} {}", path.display())]
    Cache {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Go is not there.
    #[error("running go; install Go 1.26 or later, it builds the servers (https://go.dev/dl)")]
    NoGo(#[source] io::Error),
    /// A command of Go failed.
    #[error("{command} failed:\n{output}")]
    Go {
        /// The command.
        command: String,
        /// What it printed.
        output: String,
    },
    /// What was downloaded or built is not what is pinned.
    #[error("{what} of {module} {version} is {got}, but {pinned} is pinned: refused")]
    Checksum {
        /// What was compared.
        what: &'static str,
        /// The module.
        module: String,
        /// Its version.
        version: String,
        /// What came.
        got: String,
        /// What is pinned.
        pinned: String,
    },
}

/// Installs all servers that are not there yet, one after the other.
///
/// # Errors
/// When one cannot be downloaded, verified or built.
pub fn all(progress: &Progress) -> Result<Servers, InstallError> {
    let nats = one("nats-server", progress)?;
    let minio = one("minio", progress)?;
    Ok(Servers { nats, minio, litestream: one("litestream", progress)? })
}

/// The program of one server; installs it if it is not there yet.
///
/// # Errors
/// As [`all`].
pub fn one(binary: &str, progress: &Progress) -> Result<PathBuf, InstallError> {
    let tool = tools::named(binary)?;
    let task = progress.task(binary);
    if let Some(program) = present(&tool) {
        task.done(&format!("{} is installed", tool.version));
        return Ok(program);
    }
    install(&tool, &task).inspect_err(|_| task.failed("not installed"))
}

fn present(tool: &Tool) -> Option<PathBuf> {
    let cached = home(tool).join(&tool.binary);
    if cached.exists() {
        return Some(cached);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let go_bin = env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    env::split_paths(&path)
        .chain(go_bin)
        .map(|dir| dir.join(&tool.binary))
        .find(|program| program.is_file() && built_from(program).is_ok_and(|got| got == pin(tool)))
}

fn home(tool: &Tool) -> PathBuf {
    place::cache_dir().join("servers").join(format!("{}-{}", tool.binary, tool.version))
}

fn pin(tool: &Tool) -> String {
    format!("{} {} {}", tool.module, tool.version, tool.sum)
}

fn install(tool: &Tool, task: &Task) -> Result<PathBuf, InstallError> {
    let servers = place::cache_dir().join("servers");
    fs::create_dir_all(&servers).map_err(cache("making", &servers))?;
    let _lock = lock(&servers.join(format!(".{}.lock", tool.binary)), task)?;
    if let Some(program) = present(tool) {
        task.done(&format!("{} is installed", tool.version));
        return Ok(program);
    }
    let began = Instant::now();
    task.say(&format!("{} downloading", tool.version));
    verify_module(tool)?;
    let building = servers.join(format!(".{}.building", tool.binary));
    fresh(&building)?;
    build(tool, &building, task)?;
    verify_program(tool, &building.join(&tool.binary))?;
    fs::rename(&building, home(tool)).map_err(cache("moving in", &building))?;
    task.done(&format!("{} verified and built in {}", tool.version, spoken(began.elapsed())));
    Ok(home(tool).join(&tool.binary))
}

/// Two stacks that start at once install each server once.
fn lock(path: &Path, task: &Task) -> Result<File, InstallError> {
    let file = File::create(path).map_err(cache("opening", path))?;
    if file.try_lock().is_err() {
        task.say("waiting for another installation of it");
        file.lock().map_err(cache("locking", path))?;
    }
    Ok(file)
}

fn fresh(dir: &Path) -> Result<(), InstallError> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(cache("removing", dir))?;
    }
    fs::create_dir(dir).map_err(cache("making", dir))
}

fn cache(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_path_buf();
    move |source| InstallError::Cache { operation, path, source }
}

#[derive(Deserialize)]
struct Download {
    #[serde(rename = "Sum")]
    sum: Option<String>,
    #[serde(rename = "Error")]
    error: Option<String>,
}

fn verify_module(tool: &Tool) -> Result<(), InstallError> {
    let module = format!("{}@{}", tool.module, tool.version);
    let output = go(&["mod", "download", "-json", &module]).output().map_err(InstallError::NoGo)?;
    let failed = |output: &[u8]| InstallError::Go {
        command: format!("go mod download {module}"),
        output: String::from_utf8_lossy(output).into_owned(),
    };
    let download: Download =
        serde_json::from_slice(&output.stdout).map_err(|_| failed(&output.stderr))?;
    match download {
        Download { error: Some(error), .. } => Err(failed(error.as_bytes())),
        Download { sum: Some(sum), .. } if sum == tool.sum => Ok(()),
        Download { sum, .. } => Err(mismatch(tool, "checksum", sum.unwrap_or_default())),
    }
}

fn build(tool: &Tool, into: &Path, task: &Task) -> Result<(), InstallError> {
    let package = format!("{}@{}", tool.package, tool.version);
    let mut child = go(&["install", "-v", &package])
        .env("GOBIN", into)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(InstallError::NoGo)?;
    task.say(&format!("{} building", tool.version));
    let output = child.stderr.take().map_or_else(String::new, |stderr| count(stderr, tool, task));
    let status = child.wait().map_err(InstallError::NoGo)?;
    if status.success() {
        return rename(tool, into);
    }
    Err(InstallError::Go { command: format!("go install {package}"), output })
}

/// Go names a program after its package, which may be called by a plain word.
fn rename(tool: &Tool, dir: &Path) -> Result<(), InstallError> {
    let built = tool.package.rsplit('/').next().map(|word| dir.join(word));
    match built.filter(|path| path.is_file()) {
        Some(path) => fs::rename(&path, dir.join(&tool.binary)).map_err(cache("renaming", &path)),
        None => Ok(()),
    }
}

/// Follows the names of packages that `go install -v` prints; gives what else it printed.
fn count(stderr: impl Read, tool: &Tool, task: &Task) -> String {
    let mut packages = 0;
    let mut rest = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains(' ') {
            rest.push_str(&line);
            rest.push('\n');
        } else {
            packages += 1;
        }
        task.count(&format!("{} building, {packages} packages so far", tool.version));
    }
    rest
}

fn verify_program(tool: &Tool, program: &Path) -> Result<(), InstallError> {
    let got = built_from(program)?;
    if got == pin(tool) { Ok(()) } else { Err(mismatch(tool, "origin of the program", got)) }
}

/// The module, version and checksum that a Go program was built from.
fn built_from(program: &Path) -> Result<String, InstallError> {
    let output = go(&["version", "-m"]).arg(program).output().map_err(InstallError::NoGo)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let main = text.lines().find_map(|line| line.trim().strip_prefix("mod\t"));
    Ok(main.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
}

fn mismatch(tool: &Tool, what: &'static str, got: String) -> InstallError {
    let (module, version) = (tool.module.clone(), tool.version.clone());
    InstallError::Checksum { what, module, version, got, pinned: tool.sum.clone() }
}

/// Go, outside of any module and building for this machine whatever the caller's settings.
fn go(arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    command.args(arguments).current_dir(env::temp_dir()).stdin(Stdio::null());
    for name in ["GOOS", "GOARCH", "GOFLAGS", "GOWORK"] {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(sum: &str) -> Tool {
        Tool {
            binary: "nats-server".into(),
            module: "github.com/nats-io/nats-server/v2".into(),
            package: "github.com/nats-io/nats-server/v2".into(),
            version: "v2.15.2".into(),
            sum: sum.into(),
        }
    }

    #[test]
    fn a_module_with_another_checksum_is_refused() {
        let error = verify_module(&tool("h1:wrong=")).unwrap_err().to_string();
        assert!(error.contains("but h1:wrong= is pinned: refused"), "{error}");
    }

    #[test]
    fn a_program_built_from_something_else_is_not_taken() {
        let program = env::current_exe().unwrap();
        assert_eq!(built_from(&program).unwrap(), "");
        assert!(verify_program(&tool("h1:x"), &program).is_err());
    }

    #[test]
    fn names_of_packages_are_counted_and_messages_kept() {
        let task = Progress::quiet().task("x");
        let rest = count(&b"a/b\ngo: cannot find c\nd\n"[..], &tool("h1:x"), &task);
        assert_eq!(rest, "go: cannot find c\n");
    }
}
