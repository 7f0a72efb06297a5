//! Invariant 1: who may know what.

use std::fs;
use std::path::{Path, PathBuf};

const BINARIES: [&str; 3] = ["web", "worker", "cron"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file under `folders`, with its text up to its tests.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 10, "the sources are not where this test looks");
    found
}

fn collect(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.push((path.display().to_string().replace('\\', "/"), code));
        }
    }
}

#[track_caller]
fn nowhere(folders: &[&str], forbidden: &[&str], but: impl Fn(&str) -> bool) {
    for (path, code) in sources(folders).iter().filter(|(path, _)| !but(path)) {
        for word in forbidden {
            assert!(!code.contains(word), "{word:?} is in {path}");
        }
    }
}

#[test]
fn invariant_1_binaries_import_shared_and_never_each_other() {
    for binary in BINARIES {
        let manifest = fs::read_to_string(root().join(binary).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        assert!(dependencies.contains("shared.workspace"), "{binary} does not import shared");
        for other in BINARIES.iter().filter(|other| **other != binary) {
            let names = |line: &str| {
                line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} "))
            };
            assert!(!dependencies.lines().any(names), "{binary} imports {other}");
        }
    }
}

#[test]
fn invariant_1_sql_lives_in_shared_db_alone() {
    let sql = ["rusqlite", "SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE "];
    let in_db =
        |path: &str| path.contains("shared/src/db/") || path.ends_with("shared/src/time.rs");
    nowhere(&["shared/src", "web/src", "worker/src", "cron/src"], &sql, in_db);
}

#[test]
fn invariant_1_subjects_are_spelled_in_shared_alone() {
    let subjects =
        ["\"jobs.", "\"events.", "\"live.", "\"dead.", "\"JOBS\"", "\"EVENTS\"", "\"DEAD\""];
    nowhere(&["web/src", "worker/src", "cron/src"], &subjects, |_| false);
}

#[test]
fn invariant_1_the_environment_is_read_in_config_alone() {
    let environment = ["env::var", "env!(\"SITE", "std::env::vars"];
    let is_config = |path: &str| path.ends_with("/config.rs");
    nowhere(&["shared/src", "web/src", "worker/src", "cron/src"], &environment, is_config);
}
