//! `deploy/sources.yml`, looked at again and again.

use std::io::ErrorKind;
use std::path::PathBuf;

use shared::queues::Queues;
use shared::sources::{BadFile, Sources};

/// The file, as it was when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcesFile {
    path: PathBuf,
    /// Its text; or why it could not be read.
    seen: Result<String, String>,
}

impl SourcesFile {
    /// Reads the file for the first time. Where it `may_be_absent`, that means
    /// that there are no sources.
    ///
    /// # Errors
    /// When it cannot be read, or holds a mistake: with its line.
    pub fn open(
        path: PathBuf,
        queues: &Queues,
        may_be_absent: bool,
    ) -> Result<(Self, Sources), BadFile> {
        let (seen, absent) = match std::fs::read_to_string(&path) {
            Ok(text) => (Ok(text), false),
            Err(error) => (Err(error.to_string()), error.kind() == ErrorKind::NotFound),
        };
        let file = Self { path, seen };
        let sources =
            if absent && may_be_absent { Sources::default() } else { file.sources(queues)? };
        Ok((file, sources))
    }

    /// Stands in for a file that was refused.
    #[must_use]
    pub fn absent() -> Self {
        Self { path: PathBuf::new(), seen: Err(String::new()) }
    }

    /// What the file says, when it is not what it was at the last look.
    pub async fn changed(&mut self, queues: &Queues) -> Option<Result<Sources, BadFile>> {
        let text = tokio::fs::read_to_string(&self.path).await;
        let text = text.map_err(|error| error.to_string());
        if text == self.seen {
            return None;
        }
        self.seen = text;
        Some(self.sources(queues))
    }

    fn sources(&self, queues: &Queues) -> Result<Sources, BadFile> {
        match &self.seen {
            Ok(text) => {
                Sources::of_text(&self.path, text, |queue| queues.queues.contains_key(queue))
            }
            Err(why) => Err(BadFile::unreadable(&self.path, why)),
        }
    }
}
