//! Keeps processes running: one that died is started again, with backoff.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::backoff::Backoff;
use crate::process::{Process, Spec, describe};
use crate::procfs;

/// What a dead process has started gets this long to notice and end by itself.
const ORPHANS: Duration = Duration::from_secs(5);
/// How often the wait for a restart or a stop looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The processes of a stack.
#[derive(Debug, Default)]
pub struct Supervisor {
    slots: Vec<Slot>,
}

/// One supervised process.
#[derive(Debug)]
pub struct Slot {
    /// How it is started.
    pub spec: Spec,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    pub last_end: Option<String>,
    backoff: Backoff,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Running(Process),
    Waiting(Waiting),
    Stopped,
}

/// A process that died: its group must be gone and its wait be over before the next start.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    group: u32,
    start_at: Instant,
    kill_at: Instant,
}

impl Supervisor {
    /// Starts a process and keeps it running from now on.
    ///
    /// # Errors
    /// When its program or log cannot be opened.
    pub fn start(&mut self, spec: Spec) -> io::Result<()> {
        let run = Run::Running(spec.start()?);
        let backoff = Backoff::default();
        self.slots.push(Slot { spec, restarts: 0, last_end: None, backoff, run });
        Ok(())
    }

    /// The processes in the order of their start.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The pid of a process; none while it is not running.
    pub fn pid(&self, name: &str) -> Option<u32> {
        match &self.slot(name)?.run {
            Run::Running(process) => Some(process.pid()),
            Run::Waiting(_) | Run::Stopped => None,
        }
    }

    /// Asks a process to end; it is started again when it has.
    pub fn restart(&self, name: &str) {
        if let Some(Run::Running(process)) = self.slot(name).map(|slot| &slot.run) {
            process.terminate();
        }
    }

    /// The last lines that a process printed since its last start.
    pub fn last_lines(&self, name: &str, count: usize) -> String {
        match self.slot(name).map(|slot| &slot.run) {
            Some(Run::Running(process)) => process.last_lines(count),
            _ => String::new(),
        }
    }

    fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.spec.name == name)
    }

    /// The first process that has ended, and how, before anything is done about it.
    pub fn first_end(&mut self) -> Option<(&'static str, String)> {
        self.slots.iter_mut().find_map(|slot| match &mut slot.run {
            Run::Running(process) => Some((slot.spec.name, describe(process.ended()?))),
            _ => None,
        })
    }

    /// Notices deaths and starts again what is due; tells what happened, a line each.
    pub fn tend(&mut self) -> Vec<String> {
        self.slots.iter_mut().filter_map(Slot::tend).collect()
    }

    /// How long nothing needs to be looked at, unless a process dies.
    pub fn idle(&self) -> Duration {
        let waiting = |slot: &Slot| matches!(slot.run, Run::Waiting(_));
        if self.slots.iter().any(waiting) { LOOK_AGAIN } else { Duration::from_secs(1) }
    }

    /// Stops the named processes together: asks, waits for the longest grace among them,
    /// then kills. `wait` pauses for at most the time it is given, and says whether to
    /// kill at once.
    pub fn stop(&mut self, names: &[&str], mut wait: impl FnMut(Duration) -> bool) {
        let mut slots: Vec<&mut Slot> =
            self.slots.iter_mut().filter(|slot| names.contains(&slot.spec.name)).collect();
        let grace = slots.iter().map(|slot| slot.spec.grace).max().unwrap_or_default();
        let deadline = Instant::now() + grace;
        for slot in &mut slots {
            slot.terminate();
        }
        while !slots.iter_mut().all(|slot| slot.is_gone()) {
            if wait(LOOK_AGAIN) || Instant::now() >= deadline {
                break;
            }
        }
        for slot in &mut slots {
            slot.kill();
        }
    }
}

impl Slot {
    fn tend(&mut self) -> Option<String> {
        match &mut self.run {
            Run::Running(process) => {
                let end = describe(process.ended()?);
                let wait = self.backoff.after(process.since.elapsed());
                let (group, now) = (process.pid(), Instant::now());
                self.run =
                    Run::Waiting(Waiting { group, start_at: now + wait, kill_at: now + ORPHANS });
                let told = format!("{} {end}; starts again in {wait:?}", self.spec.name);
                self.last_end = Some(end);
                Some(told)
            }
            Run::Waiting(waiting) => {
                let waiting = *waiting;
                self.restart(waiting)
            }
            Run::Stopped => None,
        }
    }

    fn restart(&mut self, waiting: Waiting) -> Option<String> {
        let now = Instant::now();
        if now < waiting.start_at {
            return None;
        }
        if !procfs::members(waiting.group).is_empty() {
            if now >= waiting.kill_at {
                procfs::signal_group(waiting.group, Signal::KILL);
            }
            return None;
        }
        self.restarts += 1;
        match self.spec.start() {
            Ok(process) => {
                let told = format!("{} started again (pid {})", self.spec.name, process.pid());
                self.run = Run::Running(process);
                Some(told)
            }
            Err(error) => {
                let wait = self.backoff.after(Duration::ZERO);
                self.run = Run::Waiting(Waiting { start_at: now + wait, ..waiting });
                Some(format!(
                    "{} cannot be started: {error}; tries again in {wait:?}",
                    self.spec.name
                ))
            }
        }
    }

    fn terminate(&self) {
        match &self.run {
            Run::Running(process) => process.terminate(),
            Run::Waiting(waiting) => procfs::signal_group(waiting.group, Signal::TERM),
            Run::Stopped => {}
        }
    }

    fn is_gone(&mut self) -> bool {
        match &mut self.run {
            Run::Running(process) => process.is_gone(),
            Run::Waiting(waiting) => procfs::members(waiting.group).is_empty(),
            Run::Stopped => true,
        }
    }

    fn kill(&mut self) {
        match &mut self.run {
            Run::Running(process) => process.kill(),
            Run::Waiting(waiting) => procfs::signal_group(waiting.group, Signal::KILL),
            Run::Stopped => {}
        }
        self.run = Run::Stopped;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::thread;

    use super::*;
    use crate::environment::Variables;

    fn shell(name: &'static str, script: &str) -> Spec {
        Spec {
            name,
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            variables: Variables::new(),
            log: log(name),
            ready_at: None,
            grace: Duration::from_secs(10),
        }
    }

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("supervisor-{name}-{}.log", std::process::id()))
    }

    fn tend_until(supervisor: &mut Supervisor, done: impl Fn(&Supervisor) -> bool) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut told = Vec::new();
        while !done(supervisor) {
            assert!(Instant::now() < deadline, "the condition did not come true: {told:?}");
            told.extend(supervisor.tend());
            thread::sleep(Duration::from_millis(5));
        }
        told
    }

    fn pause(time: Duration) -> bool {
        thread::sleep(time);
        false
    }

    #[test]
    fn a_process_killed_with_9_is_back_by_itself() {
        let mut supervisor = Supervisor::default();
        supervisor.start(shell("sleeper", "exec sleep 300")).unwrap();
        let first = supervisor.pid("sleeper").unwrap();
        procfs::signal(first, Signal::KILL);
        let told =
            tend_until(&mut supervisor, |all| all.pid("sleeper").is_some_and(|pid| pid != first));
        assert_eq!(told[0], "sleeper was ended by signal 9; starts again in 100ms");
        assert_eq!(supervisor.slots()[0].restarts, 1);
        supervisor.stop(&["sleeper"], pause);
        assert_eq!(supervisor.pid("sleeper"), None);
        std::fs::remove_file(log("sleeper")).unwrap();
    }

    #[test]
    fn a_child_of_the_dead_is_gone_before_the_next_start() {
        let mut supervisor = Supervisor::default();
        supervisor.start(shell("parent", "sleep 300 & echo up; wait")).unwrap();
        tend_until(&mut supervisor, |all| all.last_lines("parent", 1) == "up");
        let first = supervisor.pid("parent").unwrap();
        let child = procfs::children(first)[0];
        procfs::signal(first, Signal::KILL);
        tend_until(&mut supervisor, |all| {
            let second = all.pid("parent");
            assert!(second.is_none_or(|pid| pid == first) || !procfs::is_alive(child));
            second.is_some_and(|pid| pid != first)
        });
        supervisor.stop(&["parent"], pause);
        std::fs::remove_file(log("parent")).unwrap();
    }

    #[test]
    fn one_that_waits_for_its_restart_stays_stopped() {
        let mut supervisor = Supervisor::default();
        supervisor.start(shell("fails", "exit 1")).unwrap();
        tend_until(&mut supervisor, |all| all.slots()[0].restarts >= 2);
        supervisor.stop(&["fails"], pause);
        assert_eq!(supervisor.tend(), Vec::<String>::new());
        std::fs::remove_file(log("fails")).unwrap();
    }

    #[test]
    fn a_second_request_to_stop_kills_at_once() {
        let mut supervisor = Supervisor::default();
        supervisor
            .start(shell("deaf", "trap '' TERM; echo up; while :; do sleep 1; done"))
            .unwrap();
        tend_until(&mut supervisor, |all| all.last_lines("deaf", 1) == "up");
        let pid = supervisor.pid("deaf").unwrap();
        supervisor.stop(&["deaf"], |_| true);
        assert!(!procfs::is_alive(pid));
        std::fs::remove_file(log("deaf")).unwrap();
    }
}
