//! Benchmarks of the running site, its queue and its live hub; each prints a
//! table and keeps a JSON.

mod latency;
mod live;
mod memory;
mod pattern;
mod program;
mod queue;
mod report;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

/// As many as the binaries of the site have.
const THREADS: usize = 2;

/// Measures what it starts for the purpose.
#[derive(Parser)]
#[command(version, after_help = "Example: ./site bench latency -- --comments 200")]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// A comment's way from its POST to another client's SSE
    Latency {
        /// How many comments, one after the other
        #[arg(long, default_value_t = 200)]
        comments: usize,
    },
    /// The live hub beside nchan, Pushpin, PocketBase and a stock SSE handler
    Live(live::Options),
    /// Resident memory of each binary of an idle site
    Memory,
    /// The work queue beside River, BullMQ and JetStream alone
    Queue(queue::Options),
    /// A comment by a plain request beside a comment by a job and an event
    Pattern(pattern::Options),
    /// One process of a contestant
    #[command(hide = true)]
    Contestant(queue::Process),
    /// The clients of the live hub and its peers
    #[command(hide = true)]
    Crowd(live::crowd::Process),
    /// The stock SSE handler's server
    #[command(hide = true)]
    Stock(live::stock::Process),
    /// The plain request's server
    #[command(hide = true)]
    Plain(pattern::plain::Server),
}

fn main() -> ExitCode {
    match Cli::parse().part {
        Part::Latency { comments } => small().block_on(latency::run(comments)),
        Part::Live(options) => return ended(live::run(&options)),
        Part::Memory => memory::run(),
        Part::Queue(options) => queue::run(&options),
        Part::Pattern(options) => small().block_on(pattern::run(&options)),
        Part::Contestant(process) => like_the_site().block_on(process.run()),
        Part::Crowd(clients) => return ended(clients.run()),
        Part::Stock(server) => like_the_site().block_on(server.run()),
        Part::Plain(server) => like_the_site().block_on(server.run()),
    }
    ExitCode::SUCCESS
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn small() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn like_the_site() -> Runtime {
    Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime")
}
