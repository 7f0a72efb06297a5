//! The whole site for a test.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::{HandleError, TempDir, eventually, layout, system};
use crate::place::{self, Layout};
use crate::records::{self, SiteJson, State};
use crate::{logs, process, procfs};

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
