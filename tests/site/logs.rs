//! `./site logs`

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use stack::logs::{Follower, NAMES, writer};

use crate::cli::LogsArgs;

pub fn run(args: &LogsArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.dir.layout()?;
    if !layout.dir().join("logs").is_dir() {
        return Err(format!("no site has run from {}", layout.dir().display()).into());
    }
    let wanted = args.name.as_deref();
    let mut followers = Vec::new();
    for name in files(wanted) {
        let is_shown = |line: &str| wanted.is_none_or(|wanted| writer(name, line) == wanted);
        followers.push((name, Follower::last(layout.log(name), args.lines, is_shown)?));
    }
    loop {
        if show(&mut followers, wanted).is_err() || !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The logs that hold what is wanted: cron prints to that of Litestream.
fn files(wanted: Option<&str>) -> Vec<&str> {
    match wanted {
        Some("cron") => vec!["litestream"],
        Some(name) => vec![name],
        None => NAMES.to_vec(),
    }
}

/// Shows new lines; those of several processes begin with the name of each.
fn show(followers: &mut [(&str, Follower)], wanted: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let colour = out.is_terminal();
    for (file, follower) in followers {
        for line in follower.lines()? {
            let name = writer(file, &line);
            match (wanted, colour) {
                (Some(wanted), _) if wanted != name => {}
                (Some(_), _) => writeln!(out, "{line}")?,
                (None, false) => writeln!(out, "{name:<10} | {line}")?,
                (None, true) => writeln!(out, "\x1b[36m{name:<10}\x1b[0m | {line}")?,
            }
        }
    }
    out.flush()
}
