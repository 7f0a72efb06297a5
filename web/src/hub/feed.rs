//! The feed: everything that NATS republishes, in order and without a gap.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use shared::bus::replay::{EventsState, ReplayError, Stored};
use shared::subject::{ALL_LIVE, Topic};

use super::reactor::Command;
use super::{Cursor, Hub};

/// How often the connection to NATS is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Events of the stream's end that are in memory from the start, so that
/// clients of a process before this one are not all served from the stream.
const WARM: u64 = 2048;

/// What this process has seen of the stream.
pub(super) struct Feed {
    hub: Hub,
    at: Option<Cursor>,
}

/// Feeds the hub until shutdown; begins anew when the subscription ends.
pub(super) async fn run(hub: Hub) {
    let shutdown = hub.shutdown.clone();
    let mut feed = Feed { hub, at: None };
    while !shutdown.is_cancelled() {
        if let Err(error) = feed.subscribed().await {
            tracing::warn!(%error, "the live feed begins anew");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Feed {
    /// One subscription, from its begin to its end.
    async fn subscribed(&mut self) -> Result<(), ReplayError> {
        let subscription = self.hub.bus.client().subscribe(ALL_LIVE).await;
        let mut subscription = subscription.map_err(ReplayError::new)?;
        // Subscribe first, then look where the stream stands: what comes
        // between is taken from the stream, and its copy on the subscription
        // left out.
        self.catch_up().await?;
        self.follow(&mut subscription).await
    }

    async fn follow(&mut self, subscription: &mut Subscriber) -> Result<(), ReplayError> {
        let mut connects = self.connects();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let shutdown = self.hub.shutdown.clone();
        loop {
            tokio::select! {
                message = subscription.next() => match message {
                    Some(message) => self.hear(&message).await?,
                    None => return Err(ReplayError::new("the subscription ended")),
                },
                _ = tick.tick() => {
                    let now = self.connects();
                    if std::mem::replace(&mut connects, now) != now {
                        self.catch_up().await?;
                    }
                }
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// How often this process has connected to NATS: a change means that
    /// messages may have passed by.
    fn connects(&self) -> u64 {
        self.hub.bus.client().statistics().connects.load(Ordering::Relaxed)
    }

    /// Takes one republished event. The stream's numbers are without a gap, so
    /// a jump is a loss, and what is missing is read from the stream.
    async fn hear(&mut self, message: &Message) -> Result<(), ReplayError> {
        let (Some(event), Some(at)) = (stored(message), &self.at) else {
            return Ok(());
        };
        if event.seq > at.seq + 1 {
            self.fill(at.seq, event.seq - 1).await?;
        }
        self.take(event).await;
        Ok(())
    }

    /// Hands on the next event; one that was seen is left out. The place is
    /// told only then: whoever comes with it comes after the event.
    async fn take(&mut self, event: Stored) {
        let Some(at) = self.at.as_mut().filter(|at| event.seq > at.seq) else {
            return;
        };
        at.seq = event.seq;
        let at = at.clone();
        self.hub.presence.note(&event.topic, &event.body);
        self.hub.link.send(Command::Take(event)).await;
        self.hub.set_position(at);
    }

    async fn fill(&mut self, after: u64, until: u64) -> Result<(), ReplayError> {
        for event in self.hub.bus.events_between(after, until, &[]).await? {
            self.take(event).await;
        }
        Ok(())
    }

    /// Brings the rings to where the stream stands; a new life of the stream
    /// begins them anew.
    async fn catch_up(&mut self) -> Result<(), ReplayError> {
        let stream = self.hub.bus.events_state().await?;
        match &self.at {
            Some(at) if *at.epoch == *stream.epoch && at.seq <= stream.last => {
                self.fill(at.seq, stream.last).await
            }
            _ => self.begin(stream).await,
        }
    }

    async fn begin(&mut self, stream: EventsState) -> Result<(), ReplayError> {
        let EventsState { epoch, first, last } = stream;
        let floor = last.saturating_sub(WARM).max(first.saturating_sub(1)).min(last);
        let events = self.hub.bus.events_between(floor, last, &[]).await?;
        let at = Cursor { epoch: Arc::from(epoch), seq: last };
        self.at = Some(at.clone());
        let epoch = Arc::clone(&at.epoch);
        events.iter().for_each(|event| self.hub.presence.note(&event.topic, &event.body));
        self.hub.link.send(Command::Begin { epoch, places: (floor, last), events }).await;
        self.hub.set_position(at);
        Ok(())
    }
}

fn stored(message: &Message) -> Option<Stored> {
    let topic = Topic::from_live_subject(&message.subject)?;
    let seq = message.headers.as_ref()?.get("Nats-Sequence")?.as_str().parse().ok()?;
    Some(Stored { seq, topic, body: message.payload.clone() })
}
