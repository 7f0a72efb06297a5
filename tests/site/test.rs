//! `./site test`: the parts, how each is run, and the table that ends them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use stack::place;
use stack::progress::spoken;

use crate::cli::PartArgs;

/// The parts in their order: what fails fastest comes first.
pub const NAMES: [&str; 9] =
    ["format", "lint", "unit", "integration", "e2e", "ledger", "ui", "browser", "compose"];

struct Outcome {
    name: String,
    took: Duration,
    error: Option<String>,
}

pub fn run(args: &PartArgs) -> Result<ExitCode, Box<dyn Error>> {
    let chosen: Vec<String> = match args.parts.as_slice() {
        [] => NAMES.map(str::to_owned).to_vec(),
        parts => parts.to_vec(),
    };
    let mut outcomes = Vec::new();
    for name in chosen {
        println!("\n=== {name}");
        let began = Instant::now();
        let error = part(&name, &args.arguments).err();
        if let Some(error) = &error {
            println!("{name}: {error}");
        }
        outcomes.push(Outcome { name, took: began.elapsed(), error });
    }
    print!("\n{}", table(&outcomes));
    let failed = outcomes.iter().any(|outcome| outcome.error.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn part(name: &str, arguments: &[String]) -> Result<(), String> {
    match name {
        "format" => format(arguments),
        "lint" => cargo(
            &["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"],
            arguments,
        ),
        "unit" => cargo(
            &["test", "--release", "--workspace", "--lib", "--bins", "--no-fail-fast"],
            arguments,
        ),
        "integration" | "e2e" | "ledger" => scenarios(name, arguments),
        "ui" => ui(),
        "browser" => browser(arguments),
        "compose" => program(&tests().join("compose/run.py"), arguments),
        other => Err(format!("{other} is not a part")),
    }
}

/// Names the files that are not formatted.
fn format(arguments: &[String]) -> Result<(), String> {
    cargo(&["fmt", "--all", "--", "--check", "-l"], arguments)?;
    println!("format: every file is formatted");
    Ok(())
}

/// One module of the integration-test binary. The binaries of the site are built first, so
/// that the tests start them as they are.
fn scenarios(module: &str, arguments: &[String]) -> Result<(), String> {
    cargo(&stack::build::BUILD, &[])?;
    let filter = format!("{module}::");
    let command = ["test", "--release", "--workspace", "--test", "all", "--", &filter];
    cargo(&command, arguments)
}

fn ui() -> Result<(), String> {
    node_modules()?;
    let dir = tests().join("browser");
    run_in(&dir, "npx", &["--no-install", "tsc", "--checkJs", "--noEmit", "-p", "."], &[])?;
    println!("ui: tsc found no errors");
    Ok(())
}

fn browser(arguments: &[String]) -> Result<(), String> {
    node_modules()?;
    chromium()?;
    cargo(&stack::build::BUILD, &[])?;
    let words = ["--test", "--test-reporter=spec"];
    run_in(&tests().join("browser"), "node", &words, arguments)
}

/// Installs the packages of the browser tests where their lock file is newer than they are.
fn node_modules() -> Result<(), String> {
    let dir = tests().join("browser");
    let changed = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let wanted = changed(dir.join("package-lock.json"));
    let wanted = wanted.ok_or("tests/browser/package-lock.json is not there")?;
    if changed(dir.join("node_modules/.package-lock.json")).is_some_and(|had| had >= wanted) {
        return Ok(());
    }
    run_in(&dir, "npm", &["ci", "--no-audit", "--no-fund"], &[])
}

/// Debian's Chromium; installed where it is missing and we may.
fn chromium() -> Result<(), String> {
    if Path::new("/usr/bin/chromium").exists() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err("chromium is missing; install it: sudo apt-get install chromium".into());
    }
    run_in(&tests(), "apt-get", &["update", "-q"], &[])?;
    let install = ["install", "-y", "-q", "--no-install-recommends", "chromium"];
    run_in(&tests(), "apt-get", &install, &[])
}

fn tests() -> PathBuf {
    place::root().join("tests")
}

fn cargo(words: &[&str], arguments: &[String]) -> Result<(), String> {
    run_in(&place::root(), "cargo", words, arguments)
}

fn program(path: &Path, arguments: &[String]) -> Result<(), String> {
    run_in(&place::root(), &path.display().to_string(), &[], arguments)
}

fn run_in(dir: &Path, program: &str, words: &[&str], arguments: &[String]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(words).args(arguments).current_dir(dir);
    let status = command
        .status()
        .map_err(|error| format!("running {program} in {}: {error}", dir.display()))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {}: {status}", words.join(" "))) }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("{:<13} {:<14} result\n", "part", "took");
    for Outcome { name, took, error } in outcomes {
        let result =
            error.as_deref().map_or("passed".to_owned(), |error| format!("FAILED: {error}"));
        text.push_str(&format!("{name:<13} {:<14} {result}\n", spoken(*took)));
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    text.push_str(&format!(
        "{:<13} {:<14} {} passed, {failed} failed\n",
        "all",
        spoken(total),
        outcomes.len() - failed
    ));
    text
}

#[cfg(test)]
mod tests_of_the_table {
    use super::*;

    #[test]
    fn a_failed_part_is_told_with_its_reason() {
        let outcome = |name: &str, error: Option<&str>| Outcome {
            name: name.into(),
            took: Duration::from_millis(1500),
            error: error.map(str::to_owned),
        };
        let text = table(&[outcome("format", None), outcome("lint", Some("cargo: exit 1"))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "format        1.5 s          passed");
        assert_eq!(lines[2], "lint          1.5 s          FAILED: cargo: exit 1");
        assert_eq!(lines[3], "all           3.0 s          1 passed, 1 failed");
    }
}
