//! What the rings do not hold, from the stream.

use std::time::Duration;

use shared::bus::Bus;
use shared::bus::replay::ReplayError;

use super::engine::{Answer, Ask};

/// Events of one answer at most: what a slow client does not take is read
/// again.
const PAGE: usize = 256;
/// The pause while NATS is away.
const PAUSE: Duration = Duration::from_secs(1);

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
