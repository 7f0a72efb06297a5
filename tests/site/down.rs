//! `./site down`

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stack::leftovers;
use stack::place::Layout;
use stack::procfs;
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
    if was_running {
        stop_supervisor(&layout)?;
    }
    let left = leftovers::stop(&layout);
    if !left.is_empty() {
        println!("stopped what a killed ./site up had left: {}", left.join(", "));
    }
    if was_running || !left.is_empty() {
        println!("stopped in {}", spoken(began.elapsed()));
    } else {
        println!("nothing runs from {}", layout.dir().display());
    }
    Ok(ExitCode::SUCCESS)
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
