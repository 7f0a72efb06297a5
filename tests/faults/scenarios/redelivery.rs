//! Messages that come again: forgotten ids, a storm, and a job that kills its worker.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::time::Instant as Moment;
use stack::{Signal, procfs};
use support::image::jpeg;
use support::site::Site;

use super::kill::{back, kill, start};
use crate::ledger::Watch;
use crate::load::{ask, id_of};
use crate::scenario::{BURST, Plan, Round, block_on, rounds};
use crate::table::Figures;
use crate::tap::Tap;

/// So often a delivery of one message is refused.
const STORM: u32 = 12;
/// A compute worker, which keeps nothing, takes the fourth delivery for a sign that the
/// job kills its workers.
const STORM_OF_COMPUTE: u32 = 2;
/// Jobs that are tried in a round.
const TRIES: usize = 5;
/// A job is given up within this: three times the wait for a worker that is gone, and the
/// stack's pauses before it starts one again.
const GIVEN_UP: Duration = Duration::from_secs(120);

/// NATS is killed, and knows no more which ids it had; all that was published before comes
/// again under the same ids, as from a relay that died between publish and delete.
pub fn no_memory(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        rounds(plan, &site, async |round: &mut Round<'_>| {
            let mut tap = Tap::on_orders(round.site).await;
            round.moment().await;
            let heard = tap.heard();
            kill(round.site, "nats").await;
            back(round.site).await;
            let tap = Tap::on_orders(round.site).await;
            let mut stored = 0;
            for message in &heard {
                stored += usize::from(tap.repeat(message, None).await);
            }
            stored
        })
        .await
    })
}

/// Every delivery is refused in the worker's name while the worker is at it, and every job
/// is published again under other ids.
pub fn storm(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        rounds(plan, &site, async |round: &mut Round<'_>| {
            let mut deliveries = Tap::on_deliveries(round.site).await;
            let mut orders = Tap::on_orders(round.site).await;
            let end = tokio::time::Instant::now() + BURST + BURST;
            let (mut faults, mut refused) = (0, HashMap::new());
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(end) => return faults,
                    delivered = deliveries.next_delivery() => {
                        let (consumer, seq) = delivered.place();
                        let limit = if consumer.starts_with("images") { STORM_OF_COMPUTE } else { STORM };
                        let count: &mut u32 = refused.entry(seq.to_owned()).or_default();
                        if *count < limit {
                            *count += 1;
                            faults += 1;
                            let sent = deliveries.client().publish(delivered.reply, "-NAK".into()).await;
                            sent.expect("NATS is there");
                        }
                    }
                    message = orders.next() => {
                        let is_copy = |id: &str| id.starts_with("copy.");
                        let id = message.headers.as_ref().and_then(|it| it.get("Nats-Msg-Id"));
                        if !id.is_some_and(|id| is_copy(id.as_str())) {
                            let id = format!("copy.{:016x}", round.rng.u64(..));
                            faults += usize::from(orders.repeat(&message, Some(&id)).await);
                        }
                    }
                }
            }
        })
        .await
    })
}

/// The worker is killed whenever it has begun one certain job: in odd rounds a
/// transaction, in even ones a picture. A job that was begun three times is left alone:
/// then it is given up, not run. One that was done before the signal came is a job like
/// any other; then another is tried.
pub fn killer(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        rounds(plan, &site, async |round: &mut Round<'_>| {
            round.moment().await;
            let mut kills = 0;
            for _ in 0..TRIES {
                if kill_while_begun(round, &mut kills).await {
                    break;
                }
            }
            back(round.site).await;
            kills
        })
        .await
    })
}

/// Orders a job and kills the worker at it until it is over; whether it is dead then.
async fn kill_while_begun(round: &mut Round<'_>, kills: &mut usize) -> bool {
    let mut tap = Tap::on_deliveries(round.site).await;
    let watch = Watch::open(round.site);
    let name = if round.number % 2 == 1 { order(round).await } else { upload(round).await };
    let (mut job, began) = (None, Instant::now());
    while began.elapsed() < GIVEN_UP {
        let again = Duration::from_millis(100);
        if let Ok(delivered) = tokio::time::timeout(again, tap.next_delivery()).await {
            let Some(id) = delivered.job(&name) else { continue };
            if delivered.times() == 1 || watch.is_begun(&id, delivered.times() - 1) {
                *kills += usize::from(kill_now(round.site));
            }
            job = Some(id);
        }
        match job.as_ref().map(|id| (watch.is_done(id), watch.is_dead(id))) {
            Some((true, _)) => return false,
            Some((_, true)) => break,
            _ => {}
        }
    }
    round.promises.doomed.extend(job);
    true
}

/// A job of some tens of milliseconds: so many views of one visitor. Gives its id.
async fn order(round: &mut Round<'_>) -> String {
    let at = Moment::now();
    let hits: Vec<Value> = (0..900)
        .map(|n| {
            let id = uuid::Uuid::now_v7();
            json!({"id": id, "at": at, "path": format!("/killer/{n}"), "visitor": "killer"})
        })
        .collect();
    let order = json!({"queue": "views", "kind": "pack", "payload": {"hits": hits}});
    let answer = ask(&round.site.admin(), "/api/v1/jobs", &order).await;
    id_of(&answer.expect("the site takes the job").json())
}

/// A picture that takes some time. Gives the image's id.
async fn upload(round: &mut Round<'_>) -> String {
    let picture = jpeg(2400, 1600, round.rng.u8(..));
    let answer = round.site.admin().upload("/api/v1/images", "killer.jpg", &picture).await;
    id_of(&answer.expect(202).json())
}

/// Kills the worker at once; false when there is none.
fn kill_now(site: &Site) -> bool {
    let pid = site.pid("worker").and_then(|pid| u32::try_from(pid).ok());
    pid.inspect(|pid| procfs::signal(*pid, Signal::KILL)).is_some()
}
