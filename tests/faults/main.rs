//! The proof of the queue: faults under load, and a ledger that compares what the
//! clients were promised with what is there. `docs/faults.md` tells what is proven.

mod disk;
mod disk_process;
mod ledger;
mod load;
mod proxy;
mod scenario;
mod scenarios;
mod table;
mod tap;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Parser;

use scenario::{Plan, Scenario};
use table::Figures;

/// Breaks a running site again and again, and counts what was lost, doubled and stuck.
#[derive(Parser)]
#[command(
    name = "faults",
    after_help = "Example: ./site test faults -- --rounds 20 kill-web
Ends with 0 when nothing was lost, doubled or stuck."
)]
struct Args {
    /// Scenarios to run [default: all]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Rounds of each
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Decides moments, faults and load; the same seed gives the same again
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Scenarios that run beside each other, each on a site of its own
    #[arg(long, default_value_t = 1)]
    beside: usize,
    /// Write the figures as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// One round of each, four beside each other, without the counter-proofs
    #[arg(long, conflicts_with_all = ["rounds", "beside", "scenarios"])]
    short: bool,
    /// List the scenarios and what each does
    #[arg(long)]
    list: bool,
    /// Serve a disk there instead
    #[arg(long, value_name = "DIR", hide = true)]
    disk: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if let Some(place) = &args.disk {
        return serve_disk(place);
    }
    if args.short {
        (args.rounds, args.beside) = (1, 4);
    }
    if args.list {
        print!("{}", scenario::list());
        return ExitCode::SUCCESS;
    }
    let chosen = match scenario::chosen(&args.scenarios) {
        Ok(chosen) => chosen.into_iter().filter(|it| can_run(it, &args)).collect::<Vec<_>>(),
        Err(unknown) => {
            eprintln!("{unknown} is no scenario; --list names all");
            return ExitCode::from(2);
        }
    };
    let rows = run(&chosen, &args);
    print!("\n{}", table::markdown(&rows));
    let written = args.json.as_ref().map_or(Ok(()), |path| table::write_json(path, &rows));
    if let Err(error) = written {
        eprintln!("the figures cannot be written: {error}");
        return ExitCode::FAILURE;
    }
    if rows.iter().all(Figures::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve_disk(place: &Path) -> ExitCode {
    match disk_process::serve(place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the disk {}: {error}", place.display());
            ExitCode::FAILURE
        }
    }
}

/// Says which scenarios are left out, and why. One that was named is never left out.
fn can_run(scenario: &Scenario, args: &Args) -> bool {
    let why = if args.short && scenario.is_counter_proof() {
        "it takes many rounds to prove something"
    } else if args.scenarios.is_empty() && scenario.needs_disk() && !disk_process::can_mount() {
        "no file system can be mounted here"
    } else {
        return true;
    };
    println!("{} is left out: {why}", scenario.name);
    false
}

/// Runs what was chosen, some beside each other; the rows are in the order of the list.
fn run(chosen: &[&Scenario], args: &Args) -> Vec<Figures> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Figures)>> = Mutex::default();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = chosen.get(at) else { return };
            let plan = Plan::new(scenario.name, args.rounds, args.seed);
            let figures = scenario.run(plan);
            rows.lock().unwrap_or_else(PoisonError::into_inner).push((at, figures));
        }
    };
    thread::scope(|scope| {
        for _ in 0..args.beside.clamp(1, chosen.len().max(1)) {
            scope.spawn(work);
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, figures)| figures).collect()
}
