//! Hearth's work queue beside others, on this machine, in one run.

mod contestant;
mod hearth;
mod install;
mod jetstream;
mod measure;
mod noop;
mod servers;
mod table;

use contestant::Contestant;
pub use contestant::Process;
use install::Peers;
use table::{Round, Row};

/// Singles that are not counted: connections open, code is warm.
const WARM_UP: usize = 50;

/// Who takes part, and how much is measured.
#[derive(clap::Args)]
#[command(after_help = "Example: ./site bench queue -- --rounds 1 --jobs 20000 --only hearth")]
pub struct Options {
    /// Of how many rounds the medians are
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many jobs a throughput is measured with
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// How many single jobs a latency is measured with
    #[arg(long, default_value_t = 500)]
    singles: usize,
    /// Only this contestant; may be given several times
    #[arg(long, value_parser = Contestant::ALL.map(Contestant::name))]
    only: Vec<String>,
}

/// Measures each contestant in each round, in turn, so that a noisy minute hits
/// all of them.
pub fn run(options: &Options) {
    let with_hearth = chosen(options, Contestant::Hearth);
    let worker_kib = with_hearth.then(table::worker_of_a_site);
    let peers = Peers::default();
    let mut rows: Vec<Row> =
        Contestant::ALL.into_iter().filter(|it| chosen(options, *it)).map(Row::new).collect();
    for number in 1..=options.rounds {
        for row in rows.iter_mut().filter(|row| row.missing.is_none()) {
            eprintln!("round {number} of {}: {}", options.rounds, row.contestant.name());
            match round(row.contestant, &peers, options) {
                Ok(round) => row.rounds.push(round),
                Err(why) => row.missing = Some(why),
            }
        }
    }
    table::show(&rows, options, worker_kib, &peers);
}

fn chosen(options: &Options, it: Contestant) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| name == it.name())
}

/// Each measure has servers of its own, empty ones.
fn round(contestant: Contestant, peers: &Peers, options: &Options) -> Result<Round, String> {
    let ground = || contestant.start(peers);
    let jobs = options.jobs;
    Ok(Round {
        together: jobs as f64 / measure::together(&*ground()?, jobs)?,
        apart: jobs as f64 / measure::apart(&*ground()?, jobs)?,
        alone: measure::alone(&*ground()?, options.singles, WARM_UP)?,
    })
}
