//! `./site logs`

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use stack::logs::{Follower, NAMES};

use crate::cli::LogsArgs;

pub fn run(args: &LogsArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.dir.layout()?;
    if !layout.dir().join("logs").is_dir() {
        return Err(format!("no site has run from {}", layout.dir().display()).into());
    }
    let names: Vec<&str> = match args.name.as_deref() {
        Some("cron") => vec!["litestream"],
        Some(name) => vec![name],
        None => NAMES.to_vec(),
    };
    let mut followers = Vec::new();
    for name in &names {
        followers.push((*name, Follower::last(layout.log(name), args.lines)?));
    }
    loop {
        if show(&mut followers).is_err() || !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Shows new lines; with several logs each line begins with the name of its own.
fn show(followers: &mut [(&str, Follower)]) -> io::Result<()> {
    let several = followers.len() > 1;
    let mut out = io::stdout().lock();
    let colour = out.is_terminal();
    for (name, follower) in followers {
        for line in follower.lines()? {
            match (several, colour) {
                (false, _) => writeln!(out, "{line}")?,
                (true, false) => writeln!(out, "{name:<10} | {line}")?,
                (true, true) => writeln!(out, "\x1b[36m{name:<10}\x1b[0m | {line}")?,
            }
        }
    }
    out.flush()
}
