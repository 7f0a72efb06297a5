//! `./site down`

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stack::leftovers;
use stack::place::Layout;
use stack::procfs::{self, Stat};
use stack::progress::spoken;
use stack::records::{self, State};
use stack::run;

use crate::cli::DirArgs;

/// More than the graces of all processes together.
const WITHIN: Duration = Duration::from_secs(180);

pub fn run(args: &DirArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.layout()?;
    let began = Instant::now();
    let was_running = run::is_running(&layout);
    let processes = processes(&layout);
    if was_running {
        stop_supervisor(&layout)?;
    }
    let left = leftovers::stop(&layout);
    leftovers::wait_gone(&processes);
    if !left.is_empty() {
        println!("stopped what a killed ./site up had left: {}", left.join(", "));
    }
    if was_running || !left.is_empty() {
        println!("stopped in {}", spoken(began.elapsed()));
    } else {
        println!("no site runs from {}", layout.dir().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// All that is to be gone: what runs, and the supervisor itself.
fn processes(layout: &Layout) -> Vec<(u32, Option<Stat>)> {
    let state: State = records::read(&layout.state_json()).unwrap_or_default();
    let found = leftovers::find(layout).into_iter().map(|leftover| leftover.pid);
    let supervisor = Some(state.supervisor).filter(|_| run::is_running(layout));
    found.chain(supervisor).map(|pid| (pid, procfs::stat(pid))).collect()
}

fn stop_supervisor(layout: &Layout) -> Result<(), Box<dyn Error>> {
    let state: State = records::read(&layout.state_json())
        .ok_or_else(|| format!("{} does not tell its supervisor", layout.state_json().display()))?;
    procfs::signal(state.supervisor, Signal::TERM);
    let deadline = Instant::now() + WITHIN;
    while run::is_running(layout) {
        if Instant::now() > deadline {
            let seconds = WITHIN.as_secs();
            return Err(format!("pid {} still runs after {seconds} s", state.supervisor).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
