//! One process of a stack: how it is started, asked whether it is ready, and stopped.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::environment::{self, Variables};
use crate::http;
use crate::procfs;
use crate::records::ReadyAt;

/// How a process is started and known to be ready.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name within the stack.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it gets over the caller's environment.
    pub variables: Variables,
    /// The file that takes what it prints.
    pub log: PathBuf,
    /// Where it answers 200 when it is ready.
    pub ready_at: Option<ReadyAt>,
    /// How long it may take to stop.
    pub grace: Duration,
}

/// A running process, leader of a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// When it was started.
    pub since: Instant,
    log: PathBuf,
    log_from: u64,
}

impl Spec {
    /// Starts the process.
    ///
    /// # Errors
    /// When the program or its log cannot be opened.
    pub fn start(&self) -> io::Result<Process> {
        let log = OpenOptions::new().append(true).create(true).open(&self.log)?;
        let log_from = log.metadata()?.len();
        let mut command = Command::new(&self.program);
        environment::apply(&mut command, &self.variables);
        command.envs(environment::own_variables(&self.variables));
        command.args(&self.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn()?;
        Ok(Process { child, since: Instant::now(), log: self.log.clone(), log_from })
    }

    /// Whether the process says that it is ready; without a place to ask it always is.
    ///
    /// # Errors
    /// With what it answered instead.
    pub fn readiness(&self) -> Result<(), String> {
        self.ready_at.as_ref().map_or(Ok(()), ask)
    }
}

/// Asks whether a process is ready.
///
/// # Errors
/// With what it answered instead.
pub fn ask(at: &ReadyAt) -> Result<(), String> {
    match http::get(at.address, &at.path) {
        Ok(reply) if reply.status == 200 => Ok(()),
        Ok(reply) => Err(format!("{} {}", reply.status, reply.body.trim())),
        Err(error) => Err(format!("http://{}{}: {error}", at.address, at.path)),
    }
}

impl Process {
    /// Its pid, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has. Children of it may still be there.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to stop; what it started is its own to stop.
    pub fn terminate(&self) {
        procfs::signal(self.pid(), Signal::TERM);
    }

    /// Ends it and all it started, now.
    pub fn kill(&mut self) {
        procfs::signal_group(self.pid(), Signal::KILL);
        let _status = self.child.wait();
    }

    /// Whether nothing of its process group is left.
    pub fn is_gone(&mut self) -> bool {
        self.ended().is_some() && procfs::members(self.pid()).is_empty()
    }

    /// Stops it: asks, waits up to `grace`, then kills.
    pub fn stop(&mut self, grace: Duration) {
        self.terminate();
        let deadline = Instant::now() + grace;
        while !self.is_gone() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// The last lines that it has printed since it was started.
    pub fn last_lines(&self, count: usize) -> String {
        last_lines(&self.log, self.log_from, count).unwrap_or_default()
    }
}

/// The last lines of a file after a position.
///
/// # Errors
/// When the file cannot be read.
pub fn last_lines(path: &Path, from: u64, count: usize) -> io::Result<String> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    let near = end.saturating_sub(64 * 1024);
    file.seek(SeekFrom::Start(near.max(if from > end { 0 } else { from })))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(count)..].join("\n"))
}

/// How a process ended, as people say it.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".to_owned(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &'static str, script: &str) -> Spec {
        let log = format!("process-{name}-{}.log", std::process::id());
        Spec {
            name,
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            variables: Variables::from([("GIVEN".into(), "value".into())]),
            log: std::env::temp_dir().join(log),
            ready_at: None,
            grace: Duration::from_secs(5),
        }
    }

    fn wait_until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "the condition did not come true");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_it_prints_is_in_its_log_and_its_end_is_told() {
        let spec = shell("prints", "echo $GIVEN; echo no >&2; exit 3");
        let mut process = spec.start().unwrap();
        wait_until(|| process.is_gone());
        assert_eq!(process.last_lines(5), "value\nno");
        assert_eq!(describe(process.ended().unwrap()), "ended with exit code 3");
        std::fs::remove_file(&spec.log).unwrap();
    }

    #[test]
    fn one_that_does_not_stop_is_killed_with_all_it_started() {
        let spec = shell("stubborn", "trap '' TERM; sleep 300 & echo up; wait; wait");
        let mut process = spec.start().unwrap();
        wait_until(|| process.last_lines(1) == "up");
        let members = procfs::members(process.pid());
        assert_eq!(members.len(), 2);
        process.stop(Duration::from_millis(50));
        wait_until(|| members.iter().all(|pid| !procfs::is_alive(*pid)));
        assert_eq!(describe(process.ended().unwrap()), "was ended by signal 9");
        std::fs::remove_file(&spec.log).unwrap();
    }

    #[test]
    fn only_the_last_lines_of_this_start_are_shown() {
        let path = std::env::temp_dir().join(format!("lines-{}.log", std::process::id()));
        std::fs::write(&path, "old\na\nb\nc\n").unwrap();
        assert_eq!(last_lines(&path, 4, 2).unwrap(), "b\nc");
        assert_eq!(last_lines(&path, 4, 9).unwrap(), "a\nb\nc");
        assert_eq!(last_lines(&path, 999, 1).unwrap(), "c");
        std::fs::remove_file(&path).unwrap();
    }
}
