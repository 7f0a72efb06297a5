//! Wires the binary.

use std::process::ExitCode;

use clap::Parser;
use cron::{cli::Cli, commands};
use shared::config::Env;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread is enough: cron waits for the network nearly all the time,
    // and is to be small while it does.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(cli, Env::from_process())),
        Err(error) => {
            eprintln!("cron: the runtime cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
