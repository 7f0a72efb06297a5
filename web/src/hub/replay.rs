//! What the rings do not hold, from the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::bus::Bus;
use shared::bus::replay::{ReplayError, Stored};
use shared::subject::Topic;

use super::policy::{Delivery, policy};

/// Events of one answer at most: what a slow client does not take is read
/// again.
const PAGE: usize = 256;
/// The pause while NATS is away.
const PAUSE: Duration = Duration::from_secs(1);

/// What a connection misses, to be read from the stream.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) conn: u32,
    pub(super) ticket: u32,
    pub(super) epoch: Arc<str>,
    pub(super) after: u64,
    /// Up to here; before `after` when only that place is in doubt.
    pub(super) until: u64,
    pub(super) topics: Vec<Topic>,
}

/// What the stream said.
#[derive(Debug)]
pub(super) enum Answer {
    /// It does not hold what was asked for, or is another one.
    Lost,
    /// The events that are owed, and the place up to which they are all.
    Events { events: Vec<Stored>, until: u64 },
}

/// Asks the stream until it answers.
pub(super) async fn answer(bus: &Bus, ask: &Ask) -> Answer {
    loop {
        match look(bus, ask).await {
            Ok(answer) => return answer,
            Err(error) => tracing::debug!(%error, "a client waits for its replay"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A cursor of another process may be a moment ahead of this one's feed; one
/// that lies after the stream's end is of no stream that is there, and would
/// have the client wait for ever.
async fn look(bus: &Bus, ask: &Ask) -> Result<Answer, ReplayError> {
    let stream = bus.events_state().await?;
    let known = *stream.epoch == *ask.epoch && ask.after <= stream.last;
    let held = ask.after >= ask.until || stream.first <= ask.after + 1;
    if !(known && held) {
        return Ok(Answer::Lost);
    }
    let page = bus.events_page(ask.after, ask.until, &ask.topics, PAGE).await?;
    Ok(Answer::Events { events: page.events, until: page.until })
}

/// Of replayed events, each of a log, and the newest of a counter.
pub(super) fn owed(events: &[Stored], after: u64) -> impl Iterator<Item = &Stored> {
    let newest: HashMap<&Topic, u64> =
        events.iter().map(|event| (&event.topic, event.seq)).collect();
    let log = |topic: &Topic| matches!(policy(topic), Some((Delivery::Log, _)));
    events.iter().filter(move |event| {
        event.seq > after && (log(&event.topic) || newest[&event.topic] == event.seq)
    })
}
