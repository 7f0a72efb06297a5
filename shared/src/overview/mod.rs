//! What is to be seen of queues and jobs, from `data.db` and NATS together: the
//! same for the API, the admin's pages and the commands.

mod act;
mod cancel;
mod counts;
mod cursor;
mod job;
mod list;
mod names;
mod periodic;
mod queues;

pub use act::{Undone, absent, discard, retry};
pub use cancel::{cancel, cancel_all};
pub use counts::{Counts, counts};
pub use cursor::{BadCursor, Cursor};
pub use job::{find, known};
pub use list::{Asked, list};
pub use names::{QueueFault, known_queue};
pub use periodic::{PeriodicView, periodic};
pub use queues::{QueueView, Queues, queues};

use crate::bus::queues::QueueError;
use crate::db;

/// It could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// What NATS alone knows is not to be had.
    #[error(transparent)]
    Nats(#[from] QueueError),
}
