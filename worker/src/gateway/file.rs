//! `deploy/sources.yml`, looked at again and again.

use std::io::ErrorKind;
use std::path::PathBuf;

use shared::queues::Queues;
use shared::sources::{BadFile, Sources};

use crate::watched::Watched;

/// The file, as it was when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcesFile(Watched);

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
        let text = std::fs::read_to_string(&path);
        let absent = text.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let file = Self(Watched::new(path, text));
        let sources =
            if absent && may_be_absent { Sources::default() } else { file.sources(queues)? };
        Ok((file, sources))
    }

    /// Stands in for a file that was refused.
    #[must_use]
    pub fn absent() -> Self {
        Self(Watched::new(PathBuf::new(), Ok(String::new())))
    }

    /// What the file says, when it is not what it was at the last look.
    pub async fn changed(&mut self, queues: &Queues) -> Option<Result<Sources, BadFile>> {
        let changed = self.0.has_changed().await;
        changed.then(|| self.sources(queues))
    }

    fn sources(&self, queues: &Queues) -> Result<Sources, BadFile> {
        match self.0.text() {
            Ok(text) => {
                Sources::of_text(self.0.path(), text, |queue| queues.queues.contains_key(queue))
            }
            Err(why) => Err(BadFile::unreadable(self.0.path(), why)),
        }
    }
}
