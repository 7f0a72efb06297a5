//! Many jobs in one message, and what the relay does with a stream that takes
//! nothing.

use shared::bus::relay::Relay;
use shared::bus::waiting::Place;
use shared::jobs::enqueue::{Enqueue, Priority};

use super::*;

/// Sends many chores in one transaction, so that they are packed.
async fn order_all(ground: &Ground, names: Vec<String>, priority: Priority) -> Vec<Uuid> {
    let send = move |tx: &Tx<'_>| {
        let chores = names.into_iter().map(|name| Enqueue::new(Chore { name }, Uuid::now_v7()));
        chores.map(|job| outbox::enqueue(tx, job.priority(priority))).collect()
    };
    ground.data.writer().write::<Vec<Uuid>, shared::db::Error, _>(send).await.unwrap()
}

async fn relay(ground: &Ground) {
    Relay::new(ground.data.clone(), ground.bus.clone()).round().await.unwrap();
}

async fn messages(ground: &Ground, stream: &str) -> u64 {
    let stream = ground.bus.jetstream().get_stream(stream).await.unwrap();
    stream.cached_info().state.messages
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_jobs_of_a_pack_are_done_once_each_and_one_that_fails_goes_on_alone() {
    let ground = Ground::new().await;
    let names = (0..600).map(|n| n.to_string()).collect();
    let ids = order_all(&ground, names, Priority::Normal).await;
    relay(&ground).await;
    assert_eq!(messages(&ground, "JOBS").await, 2);
    let queue = &ground.bus.queue_states(&[]).await.unwrap()["chores"];
    assert_eq!((queue.depth, queue.in_flight), (600, 0));
    let from = Place::default();
    let chores = jobs::Only::from(Some("chores".to_owned()));
    let waiting = ground.bus.waiting(&chores, false, from, 1000).await.unwrap().0;
    assert_eq!(waiting.len(), 600);
    let working = ground.work(doing(|tx, job| match job.attempt {
        1 if job.payload.name == "300" => Err(Failure::new("not at the first try")),
        _ => effect(tx, job),
    }));
    until("the last one is done", async || ground.is_done(ids[300]).await).await;
    until("all are acknowledged", async || ground.is_idle().await).await;
    let all = alerts::list(&ground.data, None, None, 1000).await.unwrap();
    let names: std::collections::BTreeSet<_> = all.items.iter().map(|it| &it.text).collect();
    assert_eq!((all.items.len(), names.len()), (600, 600));
    let failed = jobs::detail(&ground.data, ids[300].to_string()).await.unwrap().unwrap();
    assert_eq!((failed.job.attempt, failed.errors.len()), (2, 1));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_in_a_pack_is_buried_alone() {
    let ground = Ground::new().await;
    let good = Chore { name: "good".to_owned() }.envelope(Uuid::now_v7());
    let good = String::from_utf8(good.to_json()).unwrap();
    let pack = Message {
        msg_id: "pack".to_owned(),
        subject: "jobs.chores.do.normal.2".to_owned(),
        body: format!("[{{\"no\":\"job\"}},{good}]").into(),
    };
    ground.bus.publish(&pack).await.unwrap();
    let working = ground.work(doing(effect));
    until("the good one is done", async || ground.effects("good").await == 1).await;
    let dead = ground.ended(true).await;
    assert_eq!(dead.len(), 1);
    let body = jobs::detail(&ground.data, dead[0].id.clone()).await.unwrap().unwrap().message;
    assert_eq!(body, Some(jobs::Body::Text("{\"no\":\"job\"}".to_owned())));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_jobs_that_wait_those_of_a_higher_priority_are_taken_first() {
    let ground = Ground::new().await;
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let free = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&free);
    let mut registry = Registry::default();
    let execute = move |job: Envelope<Chore>| {
        let (told, gate) = (told.clone(), Arc::clone(&gate));
        async move {
            told.send(job.payload.name).unwrap();
            let _passed = gate.acquire().await.unwrap();
            Ok(Outcome::Done)
        }
    };
    registry.effect::<Chore, _>(execute).unwrap();
    let working = ground.work(registry);
    ground.order("first").await;
    assert_eq!(hears.recv().await.unwrap(), "first");
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        let names = (0..3).map(|_| priority.as_str().to_owned()).collect();
        order_all(&ground, names, priority).await;
    }
    let held = async || ground.bus.queue_states(&[]).await.unwrap()["chores"].in_flight == 10;
    until("all are here", held).await;
    free.add_permits(1);
    let mut order = Vec::new();
    for _ in 0..9 {
        order.push(hears.recv().await.unwrap());
    }
    assert_eq!(order, ["high", "high", "high", "normal", "normal", "normal", "low", "low", "low"]);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_has_stopped_leaves_nothing_that_would_be_sent_again() {
    let ground = Ground::new().await;
    order_all(&ground, vec!["one".to_owned(), "two".to_owned()], Priority::Normal).await;
    let shutdown = Shutdown::new();
    shutdown.cancel();
    shared::bus::relay::run(ground.data.clone(), ground.bus.clone(), shutdown).await;
    assert_eq!(messages(&ground, "JOBS").await, 2);
    assert_eq!(outbox::depth(&ground.data).await.unwrap().due, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_full_jobs_stream_holds_up_no_event_and_loses_no_job() {
    let ground = Ground::new().await;
    let limit = async |bytes: i64| {
        let mut config =
            ground.bus.jetstream().get_stream("JOBS").await.unwrap().cached_info().config.clone();
        config.max_bytes = bytes;
        ground.bus.jetstream().update_stream(config).await.unwrap();
    };
    limit(1000).await;
    let names: Vec<String> = (0..50).map(|n| format!("{n}-{}", "x".repeat(100))).collect();
    order_all(&ground, names, Priority::Normal).await;
    let tell = |tx: &Tx<'_>| alerts::raise(tx, AlertLevel::Load, "an event", Uuid::now_v7());
    ground.data.writer().write(tell).await.unwrap();
    let mut stuck = Relay::new(ground.data.clone(), ground.bus.clone());
    assert!(stuck.round().await.is_err(), "a full stream is an error");
    assert_eq!((messages(&ground, "EVENTS").await, messages(&ground, "JOBS").await), (1, 0));
    ground.data.writer().write(tell).await.unwrap();
    assert!(stuck.round().await.is_ok(), "jobs that wait hold up the others");
    assert_eq!((messages(&ground, "EVENTS").await, messages(&ground, "JOBS").await), (2, 0));
    drop(stuck);
    limit(1 << 30).await;
    let working = ground.work(doing(effect));
    until("all are done", async || ground.ended(false).await.len() == 50).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_message_that_no_stream_can_take_becomes_a_dead_job() {
    let ground = Ground::new().await;
    let huge = "x".repeat(2 << 20);
    let ids = order_all(&ground, vec![huge, "small".to_owned()], Priority::Normal).await;
    let working = ground.work(doing(effect));
    until("the small one is done", async || ground.is_done(ids[1]).await).await;
    until("the huge one is dead", async || ground.is_dead(ids[0]).await).await;
    let empty = async || outbox::depth(&ground.data).await.unwrap().due == 0;
    until("the outbox is empty", empty).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_without_a_relay_leaves_in_the_outbox_is_sent_by_another() {
    let ground = Ground::new().await;
    let other = Data::open(ground.dir.path()).unwrap();
    let chore = |name: &str| Chore { name: name.to_owned() };
    let left = chore("left");
    let send = move |tx: &Tx<'_>| outbox::job(tx, left, Uuid::now_v7());
    let presence = other.presence().unwrap();
    other.writer().write(send).await.unwrap();
    relay(&ground).await;
    assert_eq!(messages(&ground, "JOBS").await, 0, "its relay is there and sends for itself");
    drop(presence);
    let working = ground.work(doing(effect));
    until("it is done", async || ground.effects("left").await == 1).await;
    working.stop().await;
}
