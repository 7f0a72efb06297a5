//! What this process tells the others of its readers, and hears of theirs.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use shared::bus::presence::{Presence as Told, Word};
use shared::events::Readers;

use super::super::Hub;
use super::{busiest, lock};

/// How often a change is told at most.
const TICK: Duration = Duration::from_millis(250);
/// What has not changed is told again after so long, which is every other time:
/// to who came since, and as a sign of life.
const HEARTBEAT: Duration = Duration::from_millis(400);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Posts that are told at most, those with the most readers: NATS takes a
/// message of 1 MB.
const TOLD: usize = 500;

/// Hears and tells as long as the process lives.
pub(in crate::hub) async fn run(hub: Hub) {
    loop {
        match hub.bus.presences().await {
            Ok(words) => follow(&hub, pin!(words)).await,
            Err(error) => tracing::warn!(%error, "other processes are not heard"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(hub: &Hub, mut words: impl Stream<Item = Told> + Unpin) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut told = None;
    loop {
        tokio::select! {
            // After a pause of this process, first what was said meanwhile.
            biased;
            word = words.next() => match word {
                Some(word) => hub.presence.hear(word),
                None => return,
            },
            _ = tick.tick() => {
                let hearing = hub.bus.ready().is_ok();
                hub.presence.look_round(hearing);
                if hearing {
                    tell(hub, &mut told).await;
                }
            }
        }
    }
}

/// Tells the counts when they have changed, or were told a while ago.
async fn tell(hub: &Hub, told: &mut Option<(Readers, Instant)>) {
    let (readers, speaks) = {
        let own = lock(&hub.presence.own);
        (busiest(own.count(), TOLD), own.speaks)
    };
    let known = |(before, at): &(Readers, Instant)| *before == readers && at.elapsed() < HEARTBEAT;
    if told.as_ref().is_some_and(known) {
        return;
    }
    let word = Word::Here { speaks, readers: readers.clone() };
    match hub.bus.tell_presence(&hub.presence.say(word)).await {
        Ok(()) => *told = Some((readers, Instant::now())),
        Err(error) => tracing::debug!(%error, "the readers are told again"),
    }
}

/// The last word: its number is one that nothing follows.
pub(in crate::hub) async fn farewell(hub: &Hub) {
    let last = Told { number: u64::MAX, ..hub.presence.say(Word::Gone) };
    if hub.bus.ready().is_ok()
        && let Err(error) = hub.bus.tell_last_presence(&last).await
    {
        tracing::debug!(%error, "the other processes will miss this one");
    }
}
