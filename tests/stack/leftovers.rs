//! What a supervisor that was killed left behind.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::environment::{PROCESS_MARK, STACK_MARK};
use crate::place::Layout;
use crate::plan::STOP_ORDER;
use crate::procfs::{self, Stat};

const GRACE: Duration = Duration::from_secs(60);
/// How long the end of a process may wait for its parent to take note of it.
const ZOMBIE: Duration = Duration::from_secs(2);

/// A process that carries the mark of a stack in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its pid.
    pub pid: u32,
    /// Its name within the stack; a child has its parent's.
    pub name: String,
}

/// The processes of a stack.
pub fn find(layout: &Layout) -> Vec<Leftover> {
    let dir = layout.dir().to_string_lossy();
    let of_this_stack = |pid: u32| {
        let mark = procfs::variable(pid, STACK_MARK)?;
        let name = procfs::variable(pid, PROCESS_MARK)?;
        (mark == dir).then_some(Leftover { pid, name })
    };
    procfs::pids().into_iter().filter_map(of_this_stack).collect()
}

/// Stops the processes of a stack in the right order; gives the names of those that it found.
pub fn stop(layout: &Layout) -> Vec<String> {
    let found = find(layout);
    if found.is_empty() {
        return Vec::new();
    }
    for names in STOP_ORDER {
        stop_named(layout, |name| names.contains(&name));
    }
    stop_named(layout, |_| true);
    let mut names: Vec<String> = found.into_iter().map(|leftover| leftover.name).collect();
    names.sort();
    names.dedup();
    names
}

fn stop_named(layout: &Layout, wanted: impl Fn(&str) -> bool) {
    let alive = || -> Vec<u32> {
        let wanted = find(layout).into_iter().filter(|leftover| wanted(&leftover.name));
        wanted.map(|leftover| leftover.pid).collect()
    };
    for pid in roots(&alive()) {
        procfs::signal(pid, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while !alive().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    for pid in alive() {
        procfs::signal(pid, Signal::KILL);
    }
}

/// Waits until none of these processes is listed any more. Only a zombie whose parent does
/// not ask for it is not waited for longer than a moment: it is gone but for its number.
pub fn wait_gone(processes: &[(u32, Option<Stat>)]) {
    let began = Instant::now();
    let is_listed = |(pid, then): &(u32, Option<Stat>)| {
        let now =
            procfs::stat(*pid).filter(|now| then.is_some_and(|then| then.started == now.started));
        now.is_some_and(|now| now.state != 'Z' || began.elapsed() < ZOMBIE)
    };
    while processes.iter().any(is_listed) && began.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Those whose parent is not among them: a parent stops its own children.
fn roots(pids: &[u32]) -> Vec<u32> {
    let parent = |pid: u32| procfs::stat(pid).map(|stat| stat.parent);
    let is_root = |pid: &u32| parent(*pid).is_none_or(|parent| !pids.contains(&parent));
    pids.iter().copied().filter(is_root).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_end_of_a_process_is_waited_for_and_a_zombie_only_a_moment() {
        let mut child = Command::new("sleep").arg("0.2").spawn().unwrap();
        let known = [(child.id(), procfs::stat(child.id()))];
        let began = Instant::now();
        wait_gone(&known);
        assert!(!procfs::is_alive(child.id()) && began.elapsed() < GRACE);
        child.wait().unwrap();
        wait_gone(&known);
        assert!(began.elapsed() < GRACE);
    }
}
