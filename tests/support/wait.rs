//! Waiting on conditions: a test never sleeps for a time that it hopes is
//! enough.

use std::future::Future;
use std::time::{Duration, Instant};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` gives something, or panics after `limit` naming `what`.
#[track_caller]
pub fn until<T, F, R>(what: &str, limit: Duration, mut look: F) -> impl Future<Output = T>
where
    F: FnMut() -> R,
    R: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(start.elapsed() < limit, "{caller}: no {what} within {limit:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
