//! Whose turn it is: how often a host is asked.

use std::time::Duration;

use shared::db::{Data, sources};
use shared::error::chain;

use super::http::FetchError;

/// How long a poll waits for its host; longer, and it comes again later.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hands out moments at which a host may be asked; all processes share them.
pub struct Turns<'a> {
    /// Where they are kept.
    pub data: &'a Data,
    /// The shortest time between two.
    pub gap: Duration,
}

impl Turns<'_> {
    /// Waits until `host` may be asked, if that is soon.
    ///
    /// # Errors
    /// [`FetchError::Busy`] when it is not soon, with how long it is.
    pub async fn wait(&self, host: &str) -> Result<(), FetchError> {
        let wait = sources::take_turn(self.data, host.to_owned(), self.gap, PATIENCE).await;
        let wait = wait.map_err(|error| FetchError::Broken(chain(&error)))?;
        if wait > PATIENCE {
            return Err(FetchError::Busy(wait));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
