//! Queues that programs of others work on: their consumers are kept there, so
//! that those programs need no more than to pull.

use std::sync::Arc;
use std::time::Duration;

use shared::queues::Role;

use super::{Live, Shared, pull};

/// How often it is looked whether they are all there: NATS may have lost them.
const PERIOD: Duration = Duration::from_secs(10);
/// The pause after NATS was away or refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the consumers of external queues, and makes them again where they are
/// lost, until it is dropped.
pub(super) async fn keep(shared: Arc<Shared>, mut queues: Live) {
    loop {
        let wanted = Arc::clone(&queues.borrow_and_update());
        let mut pause = PERIOD;
        for (name, _) in wanted.queues.iter().filter(|(_, it)| it.role == Role::External) {
            if let Err(error) = pull::consumers(&shared, name).await {
                tracing::warn!(queue = name, %error, "an external queue has no consumers");
                pause = PAUSE;
            }
        }
        tokio::select! {
            Ok(()) = queues.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
