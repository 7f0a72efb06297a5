//! A directory for what is under way, gone when it is done.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::Error;

/// A directory that is deleted with everything in it when this is dropped,
/// and its parent with it when nothing else is there.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a new directory in `parent`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(parent: &Path) -> Result<Self, Error> {
        let path = parent.join(Uuid::now_v7().to_string());
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(Error::File { doing: "make the directory", path, source }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new name in it.
    #[must_use]
    pub fn fresh(&self) -> PathBuf {
        self.path.join(Uuid::now_v7().to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a scratch directory stays behind");
        }
        // The parent goes too, unless something else is in it.
        let _used = self.path.parent().map(std::fs::remove_dir);
    }
}
