//! Invariant 3: the effect happens exactly once.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_job_delivered_twice_has_one_effect() {
    let ground = Ground::new().await;
    let name = "twice".to_owned();
    let job = Chore { name }.envelope(Uuid::now_v7());
    for msg_id in ["first", "second"] {
        let copy = message(msg_id, "do", job.to_json());
        ground.bus.publish(&copy).await.unwrap();
    }
    let working = ground.work(doing(effect));
    until("both are acknowledged", async || ground.is_idle().await).await;
    assert!(ground.is_done(job.id).await);
    assert_eq!(ground.effects("twice").await, 1);
    working.stop().await;
}

/// The executor holds the writing thread while the rest of the worker dies: so
/// its effect is committed, and nobody is left to acknowledge.
#[test]
fn invariant_3_a_worker_killed_between_effect_and_ack_repeats_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ground = runtime.block_on(Ground::new());
    let doomed = tokio::runtime::Runtime::new().unwrap();
    let (begun, is_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let may_go = Arc::new(Mutex::new(may_go));
    let registry = doing(move |tx, job| {
        begun.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
        effect(tx, job)
    });
    let id = runtime.block_on(ground.order("killed"));
    let url = ground.nats.url().parse().unwrap();
    doomed.block_on(async {
        let data = Data::open(ground.dir.path()).unwrap();
        let bus = Bus::connect(&url, "doomed").await.unwrap();
        work(data, bus, ground.queues.clone(), registry);
    });
    is_begun.recv_timeout(SOON).unwrap();
    doomed.shutdown_background();
    go.send(()).unwrap();
    runtime.block_on(async {
        until("the effect is committed", async || ground.is_done(id).await).await;
        assert!(!ground.is_idle().await, "somebody acknowledged");
        let working = ground.work(doing(effect));
        until("it is acknowledged", async || ground.is_idle().await).await;
        assert_eq!(ground.effects("killed").await, 1);
        working.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_jobs_go_on_when_nats_comes_back_and_none_is_lost() {
    let mut ground = Ground::new().await;
    let working = ground.work(doing(effect));
    let before = ground.order("before").await;
    until("the first is done", async || ground.is_done(before).await).await;
    ground.nats.kill();
    let during = ground.order("during").await;
    ground.nats.restart().unwrap();
    let after = ground.order("after").await;
    until("both are done", async || ground.is_done(during).await && ground.is_done(after).await)
        .await;
    for name in ["before", "during", "after"] {
        assert_eq!(ground.effects(name).await, 1, "{name}");
    }
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_has_begun() {
    let ground = Ground::new().await;
    let (begun, is_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    let working = ground.work(doing(move |tx, job| {
        begun.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
        effect(tx, job)
    }));
    let id = ground.order("last").await;
    tokio::task::spawn_blocking(move || is_begun.recv_timeout(SOON).unwrap()).await.unwrap();
    working.shutdown.cancel();
    go.send(()).unwrap();
    working.stop().await;
    assert!(ground.is_done(id).await);
    assert!(ground.is_idle().await, "it was not acknowledged");
}
