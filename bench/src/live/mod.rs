//! Hearth's live hub beside others, on this machine, in one run.

mod contestant;
mod cost;
pub mod crowd;
mod ears;
mod ground;
mod hearth;
mod mark;
mod measure;
mod nchan;
mod own;
mod pocketbase;
mod post;
mod pushpin;
pub mod stock;
mod table;
mod tally;

use serde::Serialize;
use support::crowd::raise_descriptor_limit;

use contestant::{Contestant, Peers};
use measure::Round;
use table::Row;

/// Descriptors that are not connections of clients.
const OTHERS: usize = 1000;

/// Who takes part, and how much is measured.
#[derive(clap::Args)]
#[command(after_help = "Example: ./site bench live -- --rounds 1 --connections 1500 --only hearth")]
pub struct Options {
    /// Of how many rounds the medians are
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many idle connections there are; two thirds of them hear single
    /// events, one third those that come steadily
    #[arg(long, default_value_t = 15_000, value_parser = connections)]
    connections: usize,
    /// How many seconds events come steadily, in the first round
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Only this contestant; may be given several times
    #[arg(long, value_parser = Contestant::ALL.map(Contestant::name))]
    only: Vec<String>,
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (30..=15_000).contains(number));
    number.ok_or_else(|| "takes 30 to 15000".to_owned())
}

/// How many clients there are at once.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sizes {
    idle: usize,
    fan_out: usize,
    steady: usize,
    steady_seconds: u32,
}

impl Options {
    fn sizes(&self) -> Sizes {
        let Self { connections: idle, seconds: steady_seconds, .. } = *self;
        Sizes { idle, fan_out: idle * 2 / 3, steady: idle / 3, steady_seconds }
    }

    fn chose(&self, it: Contestant) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == it.name())
    }
}

/// Measures each contestant in each round, in turn, so that a noisy minute hits
/// all of them; then what is Hearth's alone.
///
/// # Errors
/// When the system has no descriptors for so many connections.
pub fn run(options: &Options) -> Result<(), String> {
    let limit = raise_descriptor_limit();
    let needed = options.connections * 19 / 15 + OTHERS;
    if limit < needed {
        return Err(format!("a process may have {limit} descriptors, and {needed} are needed"));
    }
    let peers = Peers::default();
    let mut rows: Vec<Row> =
        Contestant::ALL.into_iter().filter(|it| options.chose(*it)).map(Row::new).collect();
    for number in 1..=options.rounds {
        for row in rows.iter_mut().filter(|row| row.missing.is_none()) {
            eprintln!("round {number} of {}: {}", options.rounds, row.contestant.name());
            match round(row.contestant, &peers, options, number == 1) {
                Ok(round) => row.add(&round),
                Err(why) => row.missing = Some(why),
            }
        }
    }
    let own = options.chose(Contestant::Hearth).then(|| {
        eprintln!("hearth alone");
        own::own(options.connections)
    });
    table::show(&rows, options, own.as_ref(), &peers);
    Ok(())
}

fn round(
    contestant: Contestant,
    peers: &Peers,
    options: &Options,
    with_steady: bool,
) -> Result<Round, String> {
    let mut ground = contestant.start(peers)?;
    measure::round(&mut *ground, &options.sizes(), with_steady)
}
