//! A file of settings, looked at again and again.
//!
//! It is read, not watched: a file that is mounted into a container gives no
//! notice of its changes.

use std::io;
use std::path::{Path, PathBuf};

/// A file, as it was when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    path: PathBuf,
    /// Its text; or why it could not be read.
    seen: Result<String, String>,
}

impl Watched {
    /// The file at `path`, whose text was `text` when it was read.
    #[must_use]
    pub fn new(path: PathBuf, text: io::Result<String>) -> Self {
        Self { path, seen: text.map_err(|error| error.to_string()) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text at the last look.
    ///
    /// # Errors
    /// Why it could not be read.
    pub fn text(&self) -> Result<&str, &str> {
        self.seen.as_deref().map_err(String::as_str)
    }

    /// Looks once more; whether it is not what it was.
    pub async fn has_changed(&mut self) -> bool {
        let text = tokio::fs::read_to_string(&self.path).await;
        let text = text.map_err(|error| error.to_string());
        let changed = text != self.seen;
        self.seen = text;
        changed
    }
}
