//! `./site status`

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use stack::process;
use stack::procfs;
use stack::progress::spoken;
use stack::records::{self, ProcessState, ReadyAt, SiteJson, State};

use crate::cli::StatusArgs;
use crate::up::{self, Running};

#[derive(Serialize)]
struct Status {
    url: String,
    /// None when it was killed.
    supervisor: Option<u32>,
    processes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    pid: Option<u32>,
    uptime_seconds: Option<u64>,
    restarts: u32,
    resident_bytes: Option<u64>,
    ready: bool,
    why_not_ready: Option<String>,
    last_end: Option<String>,
}

/// Ends with 0 when every process is ready and supervised, else with 1.
pub fn run(args: &StatusArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.dir.layout()?;
    let Running { mut site, is_supervised } = up::running(&layout)?;
    let state: State = records::read(&layout.state_json()).unwrap_or_default();
    if !is_supervised {
        // Nobody has kept the record since.
        site.pids.retain(procfs::is_alive);
    }
    let processes = rows(&site, &state);
    let is_well = is_supervised && processes.iter().all(|row| row.ready);
    let supervisor = is_supervised.then_some(state.supervisor);
    let status = Status { url: site.url, supervisor, processes };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", table(&status));
    }
    if !is_supervised {
        eprintln!("{}", advice(&args.dir.hint()));
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn advice(dir: &str) -> String {
    format!(
        "site: these processes run without their supervisor, which was killed: one that ends \
         is not started again. ./site up{dir} takes over (it starts them anew), ./site down{dir} \
         stops them."
    )
}

/// Asks all processes at once: one that hangs must not hold up the others.
fn rows(site: &SiteJson, state: &State) -> Vec<Row> {
    thread::scope(|scope| {
        let asked = site.pids.named().map(|(name, pid)| scope.spawn(move || row(name, pid, state)));
        asked.into_iter().filter_map(|row| row.join().ok()).collect()
    })
}

fn row(name: &'static str, pid: Option<u32>, state: &State) -> Row {
    let ProcessState { restarts, last_end, .. } = process_state(name, state);
    let readiness = match (pid, ready_at(name, state)) {
        (None, _) => Err("is not running".to_owned()),
        (Some(_), None) => Ok(()),
        (Some(_), Some(at)) => process::ask(at),
    };
    Row {
        name,
        pid,
        uptime_seconds: pid.and_then(procfs::uptime).map(|seconds| seconds as u64),
        restarts,
        resident_bytes: pid.and_then(procfs::resident),
        ready: readiness.is_ok(),
        why_not_ready: readiness.err(),
        last_end,
    }
}

/// The supervisor knows cron through Litestream, its parent.
fn process_state(name: &str, state: &State) -> ProcessState {
    let name = if name == "cron" { "litestream" } else { name };
    state.processes.get(name).cloned().unwrap_or_default()
}

/// Litestream counts as ready while it runs; what it runs is asked as cron.
fn ready_at<'a>(name: &str, state: &'a State) -> Option<&'a ReadyAt> {
    let asked = match name {
        "cron" => "litestream",
        "litestream" => return None,
        other => other,
    };
    state.processes.get(asked)?.ready_at.as_ref()
}

fn table(status: &Status) -> String {
    let supervisor = status.supervisor.map_or("killed".to_owned(), |pid| pid.to_string());
    let mut text = format!("{} (supervisor {supervisor})\n", status.url);
    text.push_str("process       pid       up for        restarts  memory    ready\n");
    for row in &status.processes {
        let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let uptime = row.uptime_seconds.map(|seconds| spoken(Duration::from_secs(seconds)));
        let memory = row.resident_bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6));
        let ready = row.why_not_ready.as_deref().unwrap_or("yes");
        text.push_str(&format!(
            "{:<13} {pid:<9} {:<13} {:<9} {:<9} {}\n",
            row.name,
            uptime.as_deref().unwrap_or("-"),
            row.restarts,
            memory.as_deref().unwrap_or("-"),
            if row.ready { "yes" } else { ready },
        ));
    }
    text
}
