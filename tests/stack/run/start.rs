//! The start of a stack, up to the admin's way in.

use std::io;
use std::time::{Duration, Instant};

use super::{LOOK_AGAIN, RunError, Running, save, since};
use crate::plan::SERVERS;
use crate::process::{Spec, describe};
use crate::progress::Task;

/// A process that is not ready after this time has failed to start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A restore of the database from the replica is part of this.
const PREPARED_WITHIN: Duration = Duration::from_secs(900);
const LINES: usize = 20;

impl Running {
    pub(super) fn start(&mut self) -> Result<String, RunError> {
        save(self.plan.layout.env_json(), &self.plan.variables)?;
        self.publish()?;
        let (first, rest): (Vec<Spec>, Vec<Spec>) =
            self.plan.specs.clone().into_iter().partition(|spec| SERVERS.contains(&spec.name));
        self.launch(first)?;
        self.prepare()?;
        self.launch(rest)?;
        self.introduce()
    }

    fn launch(&mut self, specs: Vec<Spec>) -> Result<(), RunError> {
        let mut waiting = Vec::new();
        for spec in specs {
            let task = self.progress.task(spec.name);
            task.say("starting");
            self.supervisor.start(spec.clone()).map_err(|source| start_error(&spec, source))?;
            waiting.push((spec, task));
        }
        self.publish()?;
        let began = Instant::now();
        while !waiting.is_empty() {
            waiting.retain(|(spec, task)| !became_ready(spec, task, began));
            self.watch_start(&waiting, began)?;
        }
        Ok(())
    }

    /// Waits a moment; fails when a process ended or the time is over.
    fn watch_start(&mut self, waiting: &[(Spec, Task)], began: Instant) -> Result<(), RunError> {
        if !waiting.is_empty() && self.is_stopped_within(LOOK_AGAIN) {
            return Err(RunError::Interrupted);
        }
        if let Some((name, end)) = self.supervisor.first_end() {
            return Err(self.failed(name, end));
        }
        match waiting.first() {
            Some((spec, _)) if began.elapsed() > READY_WITHIN => {
                let why = spec.readiness().err().unwrap_or_default();
                let seconds = READY_WITHIN.as_secs();
                Err(self.failed(spec.name, format!("is not ready after {seconds} s ({why})")))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, name: &'static str, what: String) -> RunError {
        let lines = self.supervisor.last_lines(name, LINES);
        RunError::Failed { name, what, log: self.plan.layout.log(name), lines }
    }

    fn prepare(&mut self) -> Result<(), RunError> {
        let spec = self.plan.prepare.clone();
        let task = self.progress.task(spec.name);
        task.say("databases, buckets and streams");
        let began = Instant::now();
        let mut process = spec.start().map_err(|source| start_error(&spec, source))?;
        let what = loop {
            match process.ended() {
                Some(status) if status.success() => {
                    task.done(&format!("databases, buckets and streams in {}", since(began)));
                    return Ok(());
                }
                Some(status) => break describe(status),
                None if began.elapsed() > PREPARED_WITHIN => break "took too long".to_owned(),
                None => {}
            }
            if self.is_stopped_within(LOOK_AGAIN) {
                process.stop(spec.grace);
                return Err(RunError::Interrupted);
            }
        };
        task.failed(&what);
        process.kill();
        let lines = process.last_lines(LINES);
        Err(RunError::Failed { name: spec.name, what, log: spec.log, lines })
    }

    /// Finds the admin's token and a sign-in link.
    fn introduce(&mut self) -> Result<String, RunError> {
        let admin = self.admin();
        let token = admin.token(self.plan.secrets.admin_token.take())?;
        self.plan.secrets.admin_token = Some(token);
        save(self.plan.layout.secrets_json(), &self.plan.secrets)?;
        Ok(admin.link()?)
    }
}

fn became_ready(spec: &Spec, task: &Task, began: Instant) -> bool {
    let ready = spec.readiness().is_ok();
    if ready {
        task.done(&format!("ready in {}", since(began)));
    }
    ready
}

fn start_error(spec: &Spec, source: io::Error) -> RunError {
    RunError::Start { name: spec.name, program: spec.program.clone(), source }
}
