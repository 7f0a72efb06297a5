//! Builds the three binaries of the site.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use thiserror::Error;

use crate::place;
use crate::progress::{Progress, Task, spoken};

/// Why the binaries were not built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Cargo is not there.
    #[error("running cargo; install Rust 1.90 or later (https://rustup.rs)")]
    NoCargo(#[source] io::Error),
    /// Cargo failed.
    #[error("cargo build failed:\n{0}")]
    Failed(String),
}

/// Builds `web`, `worker` and `cron` where their source has changed.
///
/// # Errors
/// When cargo is missing or the build fails; its messages are in the error.
pub fn binaries(progress: &Progress) -> Result<(), BuildError> {
    let task = progress.task("crates");
    let began = Instant::now();
    let output = cargo(&task).inspect_err(|_| task.failed("not built"))?;
    let compiled = output.lines().filter(|line| line.trim().starts_with("Compiling")).count();
    if compiled == 0 {
        task.done("are built");
    } else {
        task.done(&format!("{compiled} built in {}", spoken(began.elapsed())));
    }
    Ok(())
}

/// Builds the binaries of the site. The whole workspace is selected although
/// some of it is built: cargo unifies features over what is selected, and
/// another selection would compile the dependencies once more.
pub const BUILD: [&str; 9] =
    ["build", "--release", "--workspace", "--bin", "web", "--bin", "worker", "--bin", "cron"];

fn cargo(task: &Task) -> Result<String, BuildError> {
    let mut child = Command::new("cargo")
        .args(BUILD)
        .current_dir(place::root())
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120")
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BuildError::NoCargo)?;
    let output = child.stderr.take().map_or_else(String::new, |stderr| follow(stderr, task));
    let status = child.wait().map_err(BuildError::NoCargo)?;
    if status.success() { Ok(output) } else { Err(BuildError::Failed(output)) }
}

/// Shows cargo's progress bar as counts; gives all other lines.
fn follow(mut stderr: impl Read, task: &Task) -> String {
    let (mut output, mut line, mut buffer) = (String::new(), Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        for byte in &buffer[..length] {
            if !matches!(byte, b'\r' | b'\n') {
                line.push(*byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            match progress_of(&text) {
                Some(progress) => task.count(&progress),
                None => keep(&text, &mut output, task),
            }
        }
    }
    output
}

fn keep(text: &str, output: &mut String, task: &Task) {
    let text = text.trim_start_matches("\x1b[K");
    if text.trim().is_empty() {
        return;
    }
    if text.contains("Blocking waiting for file lock") {
        task.say("waiting for another cargo");
    }
    output.push_str(text);
    output.push('\n');
}

/// `    Building [===>   ] 12/345: serde, syn` as `12 of 345: serde, syn`.
fn progress_of(line: &str) -> Option<String> {
    let bar = line.trim_start_matches("\x1b[K").trim_start().strip_prefix("Building [")?;
    let (_, counts) = bar.split_once("] ")?;
    let (done, rest) = counts.split_once('/')?;
    let (total, names) = rest.split_once(':').unwrap_or((rest, ""));
    let text = format!("{done} of {}: {}", total.trim(), names.trim());
    Some(text.trim_end_matches([':', ' ']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_of_cargo_is_read() {
        let line = "    Building [=====>         ] 12/345: serde, syn";
        assert_eq!(progress_of(line).as_deref(), Some("12 of 345: serde, syn"));
        assert_eq!(progress_of("    Building [===] 3/3").as_deref(), Some("3 of 3"));
        assert_eq!(progress_of("   Compiling serde v1.0.0"), None);
    }

    #[test]
    fn what_is_no_bar_is_kept() {
        let task = Progress::quiet().task("crates");
        let text = "   Compiling a v1\n    Building [=> ] 1/2: a\r\x1b[Kerror: no\n\n";
        assert_eq!(follow(text.as_bytes(), &task), "   Compiling a v1\nerror: no\n");
    }
}
