//! Starts that cannot succeed: what is said, and that it helps.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::site::site_command;

/// A directory of a site that was never started; gone with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("site-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the directory can be removed");
    }
}

#[track_caller]
fn check_refused(output: &Output, parts: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
}

/// Runs `./site up` where only `programs` can be found.
fn up_with_only(programs: &[&str], dir: &Path) -> Output {
    let path = std::env::var_os("PATH").expect("a PATH");
    for name in programs {
        let mut places = std::env::split_paths(&path).map(|place| place.join(name));
        let program = places.find(|program| program.is_file()).expect("it is installed");
        symlink(program, dir.join(name)).expect("a link");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../site");
    let mut command = Command::new("/bin/sh");
    command.arg(script).arg("up").env("PATH", dir).env("HOME", dir);
    command.output().expect("a shell runs")
}

#[test]
fn a_missing_toolchain_is_named_with_where_to_get_it() {
    let dir = Dir::new();
    let output = up_with_only(&["dirname"], &dir.0);
    check_refused(&output, &["cargo is not on the PATH", "https://rustup.rs"]);
    let output = site_command()
        .args(["up", "--detach", "--port", "0", "--dir"])
        .arg(dir.0.join("site"))
        .env("PATH", &dir.0)
        .output()
        .expect("the site command runs");
    check_refused(&output, &["install Rust", "https://rustup.rs"]);
}

#[test]
fn the_last_log_lines_of_a_server_that_will_not_start_are_shown() {
    let dir = Dir::new();
    std::fs::create_dir(dir.0.join("nats")).unwrap();
    std::fs::write(dir.0.join("nats/jetstream"), "in the way").unwrap();
    let output = site_command()
        .args(["up", "--detach", "--no-build", "--port", "0", "--dir"])
        .arg(&dir.0)
        .output()
        .expect("the site command runs");
    check_refused(&output, &["nats ", "last lines of", "nats.log", "torage"]);
}

#[test]
fn every_wrong_variable_is_told_before_anything_starts() {
    let dir = Dir::new();
    let site = dir.0.join("site");
    let output = site_command()
        .args(["up", "--no-build", "--port", "0", "--dir"])
        .arg(&site)
        .envs([("SITE_URL", "nonsense"), ("MAIL_FROM", "nobody"), ("TRUSTED_PROXIES", "all")])
        .output()
        .expect("the site command runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for variable in ["SITE_URL", "MAIL_FROM", "TRUSTED_PROXIES"] {
        assert_eq!(told.matches(variable).count(), 1, "{variable}: {told}");
    }
    assert!(!told.contains("SITE_OPS_ADDR") && !told.contains("starting"), "{told}");
    assert!(!site.exists(), "the directory stays behind");
}

#[test]
fn a_file_is_refused_as_the_directory_of_a_site() {
    let dir = Dir::new();
    let file = dir.0.join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = site_command();
    let output = command.args(["up", "--no-build", "--dir"]).arg(&file).output();
    let output = output.expect("the site command runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no directory"), "{output:?}");
}
