//! The file as it was when it was last without a mistake. It is kept beside the
//! database, so that a process that starts while the file holds one goes by it.

use std::io;
use std::path::Path;

use super::{BadFile, Queues};

const NAME: &str = "queues.last.yml";

impl Queues {
    /// Reads the file; while it holds a mistake, what it said before, as far as that
    /// is kept in `dir`.
    ///
    /// # Errors
    /// The mistake, when nothing is kept.
    pub fn read_or_last(path: &Path, dir: &Path) -> Result<Self, BadFile> {
        Self::read(path).or_else(|mistake| Self::read(&dir.join(NAME)).map_err(|_| mistake))
    }
}

/// Keeps the text of the file, which holds no mistake, in `dir`.
///
/// # Errors
/// When it cannot be written; what was kept before is whole then.
pub fn keep(dir: &Path, text: &str) -> io::Result<()> {
    let path = dir.join(NAME);
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let new = dir.join(format!("{NAME}.new"));
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}
