//! `./site test`: the parts, how each is run, and the table that ends them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use stack::progress::{Progress, spoken};
use stack::{install, place};

use crate::cli::PartArgs;

/// The parts in their order: what fails fastest comes first.
pub const NAMES: [&str; 11] = [
    "format",
    "lint",
    "unit",
    "integration",
    "e2e",
    "ledger",
    "faults",
    "examples",
    "ui",
    "browser",
    "compose",
];

/// One round each, beside each other: some minutes.
const FAULTS_IN_SHORT: &str = "--short";

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
        "faults" => faults(arguments),
        "examples" => examples(arguments),
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

/// The proof of the queue: with arguments as they say, else in short.
fn faults(arguments: &[String]) -> Result<(), String> {
    debian("faketime", |path| path.join("faketime/libfaketimeMT.so.1").is_file())?;
    cargo(&stack::build::BUILD, &[])?;
    let command = ["test", "--release", "--workspace", "--test", "faults", "--"];
    let short = [FAULTS_IN_SHORT.to_owned()];
    cargo(&command, if arguments.is_empty() { &short } else { arguments })
}

/// The programs of `examples/` and real clients of events, in other languages, on a site of
/// their own.
fn examples(arguments: &[String]) -> Result<(), String> {
    node_modules(&place::root().join("examples/node"))?;
    node_modules(&tests().join("examples"))?;
    let python = python()?.display().to_string();
    cargo(&stack::build::BUILD, &[])?;
    let site = place::program().map_err(|error| error.to_string())?.display().to_string();
    run_in(&tests(), &python, &["examples/run.py", &site], arguments)
}

fn ui() -> Result<(), String> {
    let dir = tests().join("browser");
    node_modules(&dir)?;
    for project in [".", "tsconfig.worker.json"] {
        run_in(&dir, "npx", &["--no-install", "tsc", "--checkJs", "--noEmit", "-p", project], &[])?;
    }
    println!("ui: tsc found no errors");
    Ok(())
}

fn browser(arguments: &[String]) -> Result<(), String> {
    node_modules(&tests().join("browser"))?;
    chromium()?;
    let caddy = install::one("caddy", &Progress::new()).map_err(|error| error.to_string())?;
    cargo(&stack::build::BUILD, &[])?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).env("CADDY", caddy);
    finish(node.args(arguments).current_dir(tests().join("browser")))
}

/// Installs the packages of `dir` where their lock file is newer than they are.
fn node_modules(dir: &Path) -> Result<(), String> {
    let lock = dir.join("package-lock.json");
    if is_newer(&dir.join("node_modules/.package-lock.json"), &[lock])? {
        return Ok(());
    }
    run_in(dir, "npm", &["ci", "--no-audit", "--no-fund"], &[])
}

/// A Python of our own, with the packages of the examples and of their test.
fn python() -> Result<PathBuf, String> {
    let venv = place::cache_dir().join("examples-python");
    let (python, installed) = (venv.join("bin/python"), venv.join("installed"));
    let folders = [place::root().join("examples/python"), tests().join("examples")];
    let wanted = folders.map(|folder| folder.join("requirements.txt"));
    if is_newer(&installed, &wanted)? {
        return Ok(python);
    }
    let [venv, program, first, second] =
        [&venv, &python, &wanted[0], &wanted[1]].map(|path| path.display().to_string());
    run_in(&tests(), "python3", &["-m", "venv", &venv], &[])?;
    let install = ["-m", "pip", "install", "--quiet", "-r", &first, "-r", &second];
    run_in(&tests(), &program, &install, &[])?;
    fs::write(&installed, "").map_err(|error| format!("{}: {error}", installed.display()))?;
    Ok(python)
}

/// Whether `had` is there and as new as each of `wanted`.
fn is_newer(had: &Path, wanted: &[PathBuf]) -> Result<bool, String> {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let Ok(had) = changed(had) else { return Ok(false) };
    for path in wanted {
        if changed(path).map_err(|error| format!("{}: {error}", path.display()))? > had {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Debian's Chromium; installed where it is missing and we may.
fn chromium() -> Result<(), String> {
    debian("chromium", |_| Path::new("/usr/bin/chromium").exists())
}

/// A package of Debian, of which `holds` finds something in a directory of libraries;
/// installed where it is missing and we may.
fn debian(package: &str, holds: impl Fn(&Path) -> bool) -> Result<(), String> {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    if libraries.map(|entry| entry.path()).any(|path| holds(&path)) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!("{package} is missing; install it: sudo apt-get install {package}"));
    }
    run_in(&tests(), "apt-get", &["update", "-q"], &[])?;
    let install = ["install", "-y", "-q", "--no-install-recommends", package];
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
    finish(Command::new(program).args(words).args(arguments).current_dir(dir))
}

/// Runs a command to its end, which must be a good one.
fn finish(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("running {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
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
