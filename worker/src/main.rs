//! Wires the binary.

use std::process::ExitCode;

use clap::Parser;
use shared::config::Env;
use worker::cli::{self, Cli, CliError};
use worker::memory;

/// Two cores are what the box has; each thread costs memory.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut env = Env::from_process();
    if cli.is_long_lived() {
        memory::keep_small(&mut env);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli, env)),
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
