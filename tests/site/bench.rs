//! `./site bench`: each part is a program `bench/PART`.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use stack::place;

use crate::Misuse;
use crate::cli::BenchArgs;

pub fn run(args: &BenchArgs) -> Result<ExitCode, Box<dyn Error>> {
    let dir = place::root().join("bench");
    let parts = parts(&dir);
    let chosen: Vec<&String> = match args.part.as_deref() {
        None => {
            list(&parts);
            return Ok(ExitCode::SUCCESS);
        }
        Some("all") => parts.iter().collect(),
        Some(name) => parts.iter().filter(|part| *part == name).collect(),
    };
    if chosen.is_empty() {
        let there = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
        return Err(Misuse(format!("there is no such part; bench/ has: {there}")).into());
    }
    let mut failed = Vec::new();
    for part in chosen {
        let status = Command::new(dir.join(part))
            .args(&args.arguments)
            .current_dir(place::root())
            .env("SITE_BIN", place::program()?)
            .status()?;
        if !status.success() {
            failed.push(part.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("failed: {}", failed.join(", ")).into())
}

fn list(parts: &[String]) {
    if parts.is_empty() {
        println!("bench/ has no parts");
    }
    for part in parts {
        println!("{part}");
    }
}

/// The programs directly in `bench/`.
fn parts(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut parts: Vec<String> = entries
        .flatten()
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    parts.sort();
    parts
}
