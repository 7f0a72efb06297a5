//! Benchmarks of the running site and of its queue; each prints a table and
//! keeps a JSON.

mod latency;
mod memory;
mod pattern;
mod queue;
mod report;

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
    /// Resident memory of each binary of an idle site
    Memory,
    /// The work queue beside River, BullMQ and JetStream alone
    Queue(queue::Options),
    /// A comment by a plain request beside a comment by a job and an event
    Pattern(pattern::Options),
    /// One process of a contestant
    #[command(hide = true)]
    Contestant(queue::Process),
    /// The plain request's server
    #[command(hide = true)]
    Plain(pattern::plain::Server),
}

fn main() {
    match Cli::parse().part {
        Part::Latency { comments } => small().block_on(latency::run(comments)),
        Part::Memory => memory::run(),
        Part::Queue(options) => queue::run(&options),
        Part::Pattern(options) => small().block_on(pattern::run(&options)),
        Part::Contestant(process) => like_the_site().block_on(process.run()),
        Part::Plain(server) => like_the_site().block_on(server.run()),
    }
}

fn small() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn like_the_site() -> Runtime {
    Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime")
}
