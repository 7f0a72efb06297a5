//! What visitors are told of the readers of all processes.

use std::time::Duration;

use bytes::Bytes;
use shared::bus::Message;
use shared::db::{self, Data, posts};
use shared::events::{Event, Readers};
use uuid::Uuid;

use super::super::Hub;
use super::busiest;

/// How often it is looked whether there is something to tell.
const TICK: Duration = Duration::from_millis(250);
/// How often the sum is told at most: as often as visitors are sent it.
const PERIOD: Duration = Duration::from_secs(1);
/// Posts that are told at most, those with the most readers.
const TOLD: usize = 500;
/// Of so many it is looked whether there are such posts.
const LOOKED_AT: usize = 4 * TOLD;

/// What was told last: the sum, and the message.
type Said = Option<(Readers, Bytes)>;

/// Tells the sum while it is this process's turn, until shutdown: when it has
/// changed, and when somebody else has told another one. A message that NATS
/// did not take is told again.
pub(super) async fn run(hub: Hub, data: Data) {
    let mut said: Said = None;
    while !hub.shutdown.is_cancelled() {
        let speaker = hub.presence.is_speaker();
        if !speaker {
            said = None;
        }
        let sum = hub.presence.sum();
        let pause = if speaker && !stands(&hub, said.as_ref(), &sum) {
            said = match speak(&hub, &data, sum).await {
                Ok(said) => said,
                Err(error) => {
                    tracing::warn!(%error, "the readers are counted again");
                    None
                }
            };
            PERIOD
        } else {
            TICK
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hub.shutdown.cancelled() => return,
        }
    }
}

/// Whether visitors know this sum already.
fn stands(hub: &Hub, said: Option<&(Readers, Bytes)>, sum: &Readers) -> bool {
    said.is_some_and(|(before, body)| before == sum && hub.presence.newest().as_ref() == Some(body))
}

async fn speak(hub: &Hub, data: &Data, sum: Readers) -> Result<Said, db::Error> {
    let readers = of_real_posts(data, busiest(sum.clone(), LOOKED_AT)).await?;
    let event = Event::readers(&busiest(readers, TOLD), Uuid::now_v7());
    let message = Message::from(event);
    Ok(hub.bus.publish(&message).await.is_ok().then_some((sum, message.body)))
}

/// Without those that visitors made up.
async fn of_real_posts(data: &Data, mut readers: Readers) -> Result<Readers, db::Error> {
    let names = readers.posts.keys().cloned().collect();
    let real = posts::published(data, names).await?;
    let count = |post: String| readers.posts.remove_entry(&post);
    readers.posts = real.into_iter().filter_map(count).collect();
    Ok(readers)
}
