//! Benchmarks of the running site; each prints a table and keeps a JSON.

mod latency;
mod memory;
mod report;

use clap::{Parser, Subcommand};

/// Measures a site that it starts for the purpose.
#[derive(Parser)]
#[command(version, after_help = "Example: ./site bench latency --comments 200")]
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
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Cli::parse().part {
        Part::Latency { comments } => latency::run(comments).await,
        Part::Memory => memory::run(),
    }
}
