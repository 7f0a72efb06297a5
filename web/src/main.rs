//! Wires the binary.

use std::future::Future;
use std::process::ExitCode;

use clap::Parser as _;
use shared::config::Env;
use shared::error::chain;
use web::admin;
use web::cli::{Cli, Command, Role};
use web::config::{AdminConfig, Config, EdgeConfig};
use web::edge;
use web::start::{self, Error};

/// Blocking work at once at most: the databases' readers, and files.
const BLOCKING_THREADS: usize = 16;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Config(mistakes)) => {
            eprintln!("web: {mistakes}");
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("web: {}", chain(&failure));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let env = Env::from_process();
    match cli.command {
        Command::Serve { role: Role::Live } => {
            let config = EdgeConfig::read(env)?;
            config.log.start();
            block_on(edge::run(config))?
        }
        Command::Serve { role: Role::All } => {
            let config = Config::read(env)?;
            config.log.start();
            block_on(start::run(config))?
        }
        Command::Admin(command) => {
            let config = AdminConfig::read(env)?;
            println!("{}", block_on(admin::run(config, command, cli.json))??);
            Ok(())
        }
    }
}

fn block_on<F: Future>(work: F) -> Result<F::Output, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    Ok(runtime.block_on(work))
}
