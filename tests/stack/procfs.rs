//! Processes as Linux shows them in `/proc`.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The facts of `/proc/PID/stat` that the stack uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// The parent.
    pub parent: u32,
    /// The process group.
    pub group: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
}

/// Every process.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The facts of one process; none when it is gone.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: words.first()?.chars().next()?,
        parent: words.get(1)?.parse().ok()?,
        group: words.get(2)?.parse().ok()?,
        started: words.get(19)?.parse().ok()?,
    })
}

/// Whether the process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// The living children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    living(|stat| stat.parent == parent)
}

/// The living members of a process group.
pub fn members(group: u32) -> Vec<u32> {
    living(|stat| stat.group == group)
}

fn living(wanted: impl Fn(Stat) -> bool) -> Vec<u32> {
    let found = |pid: &u32| stat(*pid).is_some_and(|stat| stat.state != 'Z' && wanted(stat));
    pids().into_iter().filter(found).collect()
}

/// The name of the program (its first 15 characters).
pub fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// For how many seconds the process has been running.
pub fn uptime(pid: u32) -> Option<f64> {
    let since_boot = fs::read_to_string("/proc/uptime").ok()?;
    let since_boot: f64 = since_boot.split_whitespace().next()?.parse().ok()?;
    let started = stat(pid)?.started as f64 / rustix::param::clock_ticks_per_second() as f64;
    Some((since_boot - started).max(0.0))
}

/// A variable of the environment that the process was started with.
pub fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|pair| {
        let (key, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// Whether the process has a file open whose link reads `target`.
pub fn holds_file(pid: u32, target: &str) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == target))
}

/// Sends a signal to a process. One that is gone is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        let _gone = kill_process(pid, signal);
    }
}

/// Sends a signal to every member of a process group. A group that is gone is no error.
pub fn signal_group(group: u32, signal: Signal) {
    if let Some(group) = to_pid(group) {
        let _gone = kill_process_group(group, signal);
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_confuse() {
        let text = "42 (a ) b) S 7 40 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat, Stat { state: 'S', parent: 7, group: 40, started: 12345 });
    }

    #[test]
    fn this_process_is_seen() {
        let own = std::process::id();
        assert!(is_alive(own));
        assert!(resident(own).unwrap() > 100_000);
        assert!(uptime(own).unwrap() < 3600.0);
        assert_eq!(variable(own, "PATH"), std::env::var("PATH").ok());
        let parent = stat(own).unwrap().parent;
        assert!(children(parent).contains(&own));
    }
}
