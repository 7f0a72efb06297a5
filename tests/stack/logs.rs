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

    /// Follows a file from the beginning of its last `count` lines.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn last(path: PathBuf, count: usize) -> io::Result<Self> {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let start = breaks.map(|(at, _)| at + 1).nth(count.saturating_sub(1)).unwrap_or(0);
        Ok(Self::new(path, if count == 0 { bytes.len() } else { start } as u64))
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

    #[test]
    fn a_follower_sees_whole_lines_and_a_new_beginning() {
        let path = file("follow");
        fs::write(&path, "a\nb\nc\n").unwrap();
        let mut follower = Follower::last(path.clone(), 2).unwrap();
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
        assert_eq!(Follower::last(path.clone(), 10).unwrap().lines().unwrap(), ["a", "b"]);
        assert!(Follower::last(path.clone(), 0).unwrap().lines().unwrap().is_empty());
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
