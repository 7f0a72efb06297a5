//! Invariant 4: a job ends as done, or dead and kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;

use shared::bus::relay::Relay;
use shared::db::begun;
use shared::jobs::enqueue::{Enqueue, Hold};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_poison_message_becomes_a_dead_job_with_its_bytes() {
    let ground = Ground::new().await;
    let working = ground.work(doing(effect));
    let stranger = Chore { name: "x".into() }.envelope(Uuid::now_v7()).to_json();
    for (kind, body) in [("do", b"no job at all".to_vec()), ("unheard-of", stranger)] {
        ground.bus.publish(&message(kind, kind, body)).await.unwrap();
    }
    until("both are kept", async || ground.ended(true).await.len() == 2).await;
    until("both are acknowledged", async || ground.is_idle().await).await;
    let mut bodies = Vec::new();
    for job in ground.ended(true).await {
        let detail = jobs::detail(&ground.data, job.id).await.unwrap().unwrap();
        bodies.push(detail.message.unwrap().to_string());
    }
    assert!(bodies.contains(&"no job at all".to_owned()), "{bodies:?}");
    let id = ground.order("after the poison").await;
    until("the queue goes on", async || ground.is_done(id).await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_an_empty_pack_becomes_a_dead_job_with_its_bytes() {
    let ground = Ground::new().await;
    let working = ground.work(doing(effect));
    for (msg_id, body) in [("bare", "[]"), ("spaced", "[ ]")] {
        ground.bus.publish(&message(msg_id, "do", body)).await.unwrap();
    }
    until("both are kept", async || ground.ended(true).await.len() == 2).await;
    until("both are acknowledged", async || ground.is_idle().await).await;
    for job in ground.ended(true).await {
        assert!(job.reason.as_ref().unwrap().contains("empty"), "{job:?}");
        let detail = jobs::detail(&ground.data, job.id).await.unwrap().unwrap();
        assert!(
            ["[]", "[ ]"].contains(&&*detail.message.as_ref().unwrap().to_string()),
            "{detail:?}"
        );
    }
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_failing_job_is_tried_again_then_dies_and_a_replay_runs_it() {
    let ground = Ground::new().await;
    let healed = Arc::new(AtomicBool::new(false));
    let is_healed = Arc::clone(&healed);
    let working = ground.work(doing(move |tx, job| {
        effect(tx, job)?;
        if is_healed.load(Ordering::Relaxed) {
            return Ok(Outcome::Done);
        }
        Err(Failure::new("the tool is broken"))
    }));
    let id = ground.order("stubborn").await;
    until("it is dead", async || ground.is_dead(id).await).await;
    let detail = jobs::detail(&ground.data, id.to_string()).await.unwrap().unwrap();
    let attempts: Vec<u32> = detail.errors.iter().map(|error| error.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(detail.errors.iter().all(|error| error.error.contains("broken")));
    assert_eq!(ground.effects("stubborn").await, 0, "a failure left a trace");
    healed.store(true, Ordering::Relaxed);
    let replayed = jobs::replay(&ground.data, id.to_string()).await.unwrap().unwrap();
    until("the replay is done", async || ground.is_done(replayed).await).await;
    assert_eq!(ground.effects("stubborn").await, 1);
    assert!(!ground.is_dead(id).await);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_or_a_panic_undoes_its_own_job_alone() {
    let ground = Ground::new().await;
    let names: Vec<String> = (0..10).map(|n| format!("job {n}")).collect();
    for name in &names {
        ground.order(name).await;
    }
    let working = ground.work(doing(|tx, job| {
        effect(tx, job)?;
        match job.payload.name.as_str() {
            "job 3" => Err(Failure::new("it cannot be done")),
            "job 5" => panic!("it is too much"),
            "job 7" => Ok(Outcome::Discard("nobody wants it".to_owned())),
            _ => Ok(Outcome::Done),
        }
    }));
    until("all have ended", async || {
        ground.ended(false).await.len() == 7 && ground.ended(true).await.len() == 3
    })
    .await;
    for (number, name) in names.iter().enumerate() {
        let expected = usize::from(![3, 5, 7].contains(&number));
        assert_eq!(ground.effects(name).await, expected, "{name}");
    }
    let reasons: Vec<_> =
        ground.ended(true).await.into_iter().filter_map(|job| job.reason).collect();
    for part in ["cannot be done", "it is too much", "nobody wants it"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part} not in {reasons:?}");
    }
    working.stop().await;
}

/// Whether no worker waits for chores any more: one that has stopped may still
/// be handed a message for a moment.
async fn nobody_waits(ground: &Ground) -> bool {
    let ask = "$JS.API.CONSUMER.INFO.JOBS.chores";
    let answer = ground.bus.client().request(ask, "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    info["num_waiting"] == 0
}

/// Whether somebody hears what NATS gives up.
fn advisories_are_heard(ground: &Ground) -> bool {
    let advisory = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.strict";
    let heard = format!("/subsz?subs=1&test={advisory}");
    let answer = stack::http::get(ground.nats.monitor(), &heard).unwrap();
    let known: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    known["subscriptions_list"].as_array().is_some_and(|list| !list.is_empty())
}

/// Takes the next message from NATS as a worker does, and gives it back as NATS
/// does when the worker is gone.
async fn take_and_vanish(ground: &Ground, consumer: &str) {
    let pull = format!("$JS.API.CONSUMER.MSG.NEXT.JOBS.{consumer}");
    let client = ground.bus.client();
    let inbox = client.new_inbox();
    let mut taken = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(pull, inbox, "1".into()).await.unwrap();
    let message = taken.next().await.unwrap();
    client.publish(message.reply.unwrap(), "-NAK".into()).await.unwrap();
    client.flush().await.unwrap();
}

/// Sends a chore, and has it vanish `times`.
async fn vanishing(ground: &Ground, name: &str, times: usize) -> Uuid {
    let working = ground.work(doing(effect));
    let first = ground.order("so that the consumer is there").await;
    until("it is done", async || ground.is_done(first).await).await;
    working.stop().await;
    until("nobody waits", async || nobody_waits(ground).await).await;
    let id = ground.order(name).await;
    Relay::new(ground.data.clone(), ground.bus.clone()).round().await.unwrap();
    for _ in 0..times {
        take_and_vanish(ground, "chores").await;
    }
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_goes_away_before_it_is_begun_is_not_blamed() {
    let ground = Ground::new().await;
    let id = vanishing(&ground, "innocent", 5).await;
    let working = ground.work(doing(effect));
    until("it is done", async || ground.is_done(id).await).await;
    assert_eq!(ground.effects("innocent").await, 1);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_job_that_takes_its_worker_away_three_times_is_dead() {
    let ground = Ground::new().await;
    let id = vanishing(&ground, "deadly", 3).await;
    for times in 0..2 {
        assert_eq!(begun::again(&ground.data, id, 1).await.unwrap(), times);
    }
    let working = ground.work(doing(effect));
    until("it is dead", async || ground.is_dead(id).await).await;
    let detail = jobs::detail(&ground.data, id.to_string()).await.unwrap().unwrap();
    assert!(detail.job.reason.unwrap().contains("begun 3 times"));
    assert_eq!(ground.effects("deadly").await, 0);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_costs_a_job_no_attempt() {
    let ground = Ground::new().await;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let working = ground.work(doing(move |tx, job| {
        effect(tx, job)?;
        if is_away.swap(false, Ordering::Relaxed) {
            return Err(shared::db::Error::WriterGone.into());
        }
        Ok(Outcome::Done)
    }));
    let id = ground.order("patient").await;
    until("it is done", async || ground.is_done(id).await).await;
    assert!(!away.load(Ordering::Relaxed));
    let detail = jobs::detail(&ground.data, id.to_string()).await.unwrap().unwrap();
    assert_eq!((detail.job.attempt, detail.errors.len()), (1, 0));
    assert_eq!(ground.effects("patient").await, 1);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_found_the_database_away_is_made_again() {
    let ground = Ground::new().await;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let mut registry = Registry::default();
    let execute = move |_: Envelope<Chore>| {
        let was_away = is_away.swap(false, Ordering::Relaxed);
        async move {
            if was_away { Err(shared::db::Error::WriterGone.into()) } else { Ok(Outcome::Done) }
        }
    };
    registry.effect::<Chore, _>(execute).unwrap();
    let working = ground.work(registry);
    let id = ground.order("patient").await;
    until("it is done", async || ground.is_done(id).await).await;
    let detail = jobs::detail(&ground.data, id.to_string()).await.unwrap().unwrap();
    assert_eq!((detail.job.attempt, detail.errors.len()), (2, 0), "it failed in nothing");
    working.stop().await;
}

/// Makes a consumer that gives up what is delivered once.
async fn strict_consumer(ground: &Ground) {
    let config = serde_json::json!({
        "stream_name": "JOBS",
        "config": {"durable_name": "strict", "filter_subject": "jobs.strict.*",
                   "ack_policy": "explicit", "max_deliver": 1},
    });
    let create = "$JS.API.CONSUMER.DURABLE.CREATE.JOBS.strict";
    ground.bus.client().request(create, config.to_string().into()).await.unwrap();
}

/// Has the oldest message of the strict consumer given up.
async fn give_up(ground: &Ground) {
    take_and_vanish(ground, "strict").await;
    let pull = "$JS.API.CONSUMER.MSG.NEXT.JOBS.strict";
    // NATS looks at a message that was given back when it is asked for the next.
    let client = ground.bus.client();
    let inbox = client.new_inbox();
    let _open = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(pull, inbox, "1".into()).await.unwrap();
    until("it is out of the stream", async || ground.is_idle().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_what_nats_itself_gives_up_becomes_a_dead_job() {
    let ground = Ground::new().await;
    let shutdown = Shutdown::new();
    let (bus, data) = (ground.bus.clone(), ground.data.clone());
    let keeping = tokio::spawn(worker::advisories::run(bus, data, shutdown.clone()));
    until("advisories are heard", async || advisories_are_heard(&ground)).await;
    strict_consumer(&ground).await;
    let subject = "jobs.strict.do".to_owned();
    let msg_id = Uuid::now_v7().to_string();
    ground.bus.publish(&Message { msg_id, subject, body: "{}".into() }).await.unwrap();
    give_up(&ground).await;
    let dead = ground.ended(true).await;
    assert_eq!((dead.len(), dead[0].queue.as_str()), (1, "strict"));
    assert!(dead[0].reason.as_ref().unwrap().contains("max_deliver"), "{dead:?}");
    let order = async || {
        let job = Enqueue::of("strict", "do", Uuid::now_v7(), 1).unique("key", Hold::UntilOver);
        let send = move |tx: &Tx<'_>| outbox::enqueue(tx, job);
        ground.data.writer().write::<Uuid, shared::db::Error, _>(send).await.unwrap()
    };
    let job = order().await;
    assert_eq!(order().await, job, "it holds its key");
    Relay::new(ground.data.clone(), ground.bus.clone()).round().await.unwrap();
    give_up(&ground).await;
    assert!(ground.is_dead(job).await, "a job that is given up is dead as itself");
    assert_ne!(order().await, job, "its key is free");
    shutdown.cancel();
    keeping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_worker_gives_back_on_purpose_is_not_blamed() {
    let ground = Ground::new().await;
    let id = Uuid::now_v7();
    for _ in 0..5 {
        assert_eq!(begun::again(&ground.data, id, 1).await.unwrap(), 0);
        begun::given_back(&ground.data, vec![(id, 1)]).await.unwrap();
    }
}
