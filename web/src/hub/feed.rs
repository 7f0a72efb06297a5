//! The feed: everything that NATS republishes, in order and without a gap.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use shared::bus::replay::{ReplayError, Stored};
use shared::subject::{ALL_LIVE, Topic};

use super::Hub;

/// How often counters that moved are sent, and the connection is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Feeds the hub until shutdown; begins anew when the subscription ends.
pub(super) async fn run(hub: Hub) {
    while !hub.shutdown.is_cancelled() {
        if let Err(error) = subscribed(&hub).await {
            tracing::warn!(%error, "the live feed begins anew");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One subscription, from its begin to its end.
async fn subscribed(hub: &Hub) -> Result<(), ReplayError> {
    let subscription = hub.bus.client().subscribe(ALL_LIVE).await;
    let mut subscription = subscription.map_err(ReplayError::new)?;
    // Subscribe first, then look where the stream stands: what comes between
    // is taken from the stream, and its copy on the subscription left out.
    catch_up(hub).await?;
    follow(hub, &mut subscription).await
}

async fn follow(hub: &Hub, subscription: &mut Subscriber) -> Result<(), ReplayError> {
    let mut connects = connects(hub);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            message = subscription.next() => match message {
                Some(message) => take(hub, &message).await?,
                None => return Err(ReplayError::new("the subscription ended")),
            },
            _ = tick.tick() => {
                hub.lock().flush_counters();
                if std::mem::replace(&mut connects, self::connects(hub)) != connects {
                    catch_up(hub).await?;
                }
            }
            () = hub.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// How often this process has connected to NATS: a change means that messages
/// may have passed by.
fn connects(hub: &Hub) -> u64 {
    hub.bus.client().statistics().connects.load(Ordering::Relaxed)
}

/// Takes one republished event. The stream's numbers are without a gap, so a
/// jump is a loss, and what is missing is read from the stream.
async fn take(hub: &Hub, message: &Message) -> Result<(), ReplayError> {
    let Some(event) = stored(message) else {
        return Ok(());
    };
    let last = hub.lock().last;
    if event.seq > last + 1 {
        fill(hub, last, event.seq - 1).await?;
    }
    hub.lock().take(&event);
    Ok(())
}

fn stored(message: &Message) -> Option<Stored> {
    let topic = Topic::from_live_subject(&message.subject)?;
    let seq = message.headers.as_ref()?.get("Nats-Sequence")?.as_str().parse().ok()?;
    Some(Stored { seq, topic, body: message.payload.clone() })
}

async fn fill(hub: &Hub, after: u64, until: u64) -> Result<(), ReplayError> {
    let events = hub.bus.events_between(after, until, &[]).await?;
    let mut state = hub.lock();
    events.iter().for_each(|event| state.take(event));
    Ok(())
}

/// Brings the rings to where the stream stands; a new life of the stream
/// begins them anew.
async fn catch_up(hub: &Hub) -> Result<(), ReplayError> {
    let stream = hub.bus.events_state().await?;
    let last = {
        let mut state = hub.lock();
        let same = state.epoch.as_deref() == Some(stream.epoch.as_str());
        if !same || stream.last < state.last {
            state.begin(&stream.epoch, stream.last);
        }
        state.last
    };
    fill(hub, last, stream.last).await
}
