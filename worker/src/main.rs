//! Wires the binary.

use std::process::ExitCode;

use clap::Parser;
use shared::config::Env;
use worker::cli::{self, Cli, CliError};

/// Two cores are what the box has; each thread costs memory.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli, Env::from_process())),
        Err(error) => Err(CliError::Failed(format!("cannot start: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Failed(problem)) => {
            eprintln!("worker: {problem}");
            ExitCode::from(1)
        }
        Err(CliError::Misused(problem)) => {
            eprintln!("worker: {problem}");
            ExitCode::from(2)
        }
    }
}
