//! The file of queues, as the workers go by it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use shared::queues::Queues;

use crate::error::{Error, Result};

/// Handle to the file.
#[derive(Clone)]
pub struct QueuesFile {
    path: PathBuf,
    /// Where the worker keeps it as it was when it was last without a mistake.
    dir: PathBuf,
    /// As it was when it was last without a mistake.
    last: Arc<Mutex<Option<Queues>>>,
}

impl QueuesFile {
    /// The file at `path`, which is read when it is asked for; `dir` is that of the
    /// databases.
    #[must_use]
    pub fn new(path: PathBuf, dir: PathBuf) -> Self {
        Self { path, dir, last: Arc::default() }
    }

    /// What it says; while it holds a mistake, what it said before.
    ///
    /// # Errors
    /// When it was never of use.
    pub async fn read(&self) -> Result<Queues> {
        let (path, dir) = (self.path.clone(), self.dir.clone());
        let read = tokio::task::spawn_blocking(move || Queues::read_or_last(&path, &dir)).await;
        let read = read.map_err(|error| Error::Internal(error.to_string()))?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(queues) => Ok(last.insert(queues).clone()),
            Err(mistake) => last.clone().ok_or_else(|| Error::unavailable(mistake.to_string())),
        }
    }
}
