//! `./site exec`

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use stack::environment::{self, Variables};
use stack::{place, records};

use crate::cli::ExecArgs;
use crate::up;

/// Becomes the binary; returns only when that failed.
pub fn run(args: &ExecArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.dir.layout()?;
    up::running(&layout)?;
    let variables: Variables = records::read(&layout.env_json())
        .ok_or_else(|| format!("{} cannot be read", layout.env_json().display()))?;
    let program = place::release_dir()?.join(&args.name);
    let mut command = Command::new(&program);
    environment::apply(&mut command, &variables);
    let error = command.args(&args.arguments).exec();
    Err(format!("running {}: {error}", program.display()).into())
}
