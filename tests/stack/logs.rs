//! The logs of a stack: kept small, shown together, followed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use crate::place::Layout;

/// How often [`rotate`] is due.
pub const ROTATE_EVERY: Duration = Duration::from_secs(10);
/// A log of more bytes than this begins anew; the last one is kept as `NAME.log.1`.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The logs of a stack, one a process that printed to it.
pub const NAMES: [&str; 8] =
    ["web", "worker", "litestream", "nats", "minio", "offsite", "prepare", "site"];

/// Begins logs anew that have grown long. What a process prints between the copy and the
/// cut is lost: the price of a log that needs no process to write it.
pub fn rotate(layout: &Layout) {
    for name in NAMES {
        let path = layout.log(name);
        if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST)
            && fs::copy(&path, path.with_extension("log.1")).is_ok()
            && let Ok(file) = File::options().write(true).open(&path)
        {
            let _kept = file.set_len(0);
        }
    }
}

/// Which process printed a line of the log `name`: cron runs under Litestream and prints to
/// the same log. Litestream's lines are JSON objects with `msg`; those of cron, as text or
/// as JSON with `target`, are not.
pub fn writer<'a>(name: &'a str, line: &str) -> &'a str {
    let of_litestream = || {
        let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
        line.is_some_and(|line| line.get("msg").is_some() && line.get("target").is_none())
    };
    if name == "litestream" && !of_litestream() { "cron" } else { name }
}

/// Reads a log line by line as it grows.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    position: u64,
    partial: String,
}

impl Follower {
    /// Follows a file from a position.
    pub fn new(path: PathBuf, position: u64) -> Self {
        Self { path, position, partial: String::new() }
    }

    /// Follows a file from the beginning of the last `count` of its lines that are `wanted`.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn last(path: PathBuf, count: usize, wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let (mut start, mut left) = (bytes.len(), count);
        for line in bytes.split_inclusive(|byte| *byte == b'\n').rev() {
            if left == 0 {
                break;
            }
            start -= line.len();
            left -= usize::from(wanted(String::from_utf8_lossy(line).trim_end()));
        }
        Ok(Self::new(path, start as u64))
    }

    /// The lines that have come since the last call. A file that began anew is read from
    /// its beginning.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        if file.metadata()?.len() < self.position {
            self.position = 0;
            self.partial.clear();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        self.position += file.read_to_end(&mut bytes)? as u64;
        self.partial.push_str(&String::from_utf8_lossy(&bytes));
        let end = self.partial.rfind('\n').map_or(0, |at| at + 1);
        let whole: String = self.partial.drain(..end).collect();
        Ok(whole.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("{name}-{}.log", std::process::id()))
    }

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn the_lines_of_cron_are_told_from_those_of_litestream() {
        for (line, expected) in [
            (r#"{"time":"…","level":"INFO","msg":"litestream"}"#, "litestream"),
            ("2026-11-21T10:00:03Z  INFO cron::commands: cron runs", "cron"),
            (r#"{"timestamp":"…","message":"cron runs","target":"cron::commands"}"#, "cron"),
        ] {
            assert_eq!(writer("litestream", line), expected, "{line}");
        }
        assert_eq!(writer("web", "text"), "web");
    }

    #[test]
    fn only_the_lines_that_are_wanted_count() {
        let path = file("wanted");
        fs::write(&path, "x1\ny\nx2\ny\ny\nx3\ny\n").unwrap();
        let mut follower = Follower::last(path.clone(), 2, |line| line.starts_with('x')).unwrap();
        assert_eq!(follower.lines().unwrap(), ["x2", "y", "y", "x3", "y"]);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_follower_sees_whole_lines_and_a_new_beginning() {
        let path = file("follow");
        fs::write(&path, "a\nb\nc\n").unwrap();
        let mut follower = Follower::last(path.clone(), 2, all).unwrap();
        assert_eq!(follower.lines().unwrap(), ["b", "c"]);
        fs::write(&path, "a\nb\nc\nd\nhal").unwrap();
        assert_eq!(follower.lines().unwrap(), ["d"]);
        fs::write(&path, "new\n").unwrap();
        assert_eq!(follower.lines().unwrap(), ["new"]);
        fs::remove_file(&path).unwrap();
        assert!(follower.lines().unwrap().is_empty());
    }

    #[test]
    fn fewer_lines_than_asked_are_all_shown() {
        let path = file("few");
        fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(Follower::last(path.clone(), 10, all).unwrap().lines().unwrap(), ["a", "b"]);
        assert!(Follower::last(path.clone(), 0, all).unwrap().lines().unwrap().is_empty());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_long_log_begins_anew_and_is_kept_once() {
        let dir = std::env::temp_dir().join(format!("rotate-{}", std::process::id()));
        let layout = Layout::new(&dir).unwrap();
        layout.create().unwrap();
        fs::write(layout.log("web"), vec![b'x'; LONGEST as usize + 1]).unwrap();
        fs::write(layout.log("nats"), "short\n").unwrap();
        rotate(&layout);
        assert_eq!(fs::metadata(layout.log("web")).unwrap().len(), 0);
        assert_eq!(fs::metadata(dir.join("logs/web.log.1")).unwrap().len(), LONGEST + 1);
        assert_eq!(fs::read_to_string(layout.log("nats")).unwrap(), "short\n");
        fs::remove_dir_all(&dir).unwrap();
    }
}
