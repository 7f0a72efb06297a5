//! Jobs of programs that are not ours: what they hand in, and how they are called off.

use serde_json::{Value, json};
use shared::bus::Message;
use shared::db::jobs::Only;
use shared::jobs::compute::{ComputeOutcome, ComputeResult};
use shared::jobs::enqueue::{Enqueue, Hold};
use shared::overview::{self, Undone};
use shared::queues::Pause;
use shared::subject;
use shared::time::Instant;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

async fn ground() -> Ground {
    let mut ground = Ground::new().await;
    ground.queues.queues.insert("errands".to_owned(), queue(Role::External));
    ground.queues.queues.insert("results".to_owned(), queue(Role::Data));
    ground
}

/// A worker that writes results down.
fn working(ground: &Ground) -> Working {
    let (_settings, live) = watch::channel(Arc::new(ground.queues.clone()));
    let mut registry = Registry::default();
    worker::jobs::compute::register(&mut registry, live).unwrap();
    ground.work(registry)
}

fn errand() -> Envelope {
    Envelope::new("do", 1, Uuid::now_v7(), Untyped::of(&json!({})))
}

/// Orders an errand that holds a key; gives the id of the one that has it.
async fn order_with_key(ground: &Ground) -> Uuid {
    let order = Enqueue::of("errands".to_owned(), "do", Uuid::now_v7(), json!({}));
    let order = order.unique("key".to_owned(), Hold::UntilOver);
    ground.data.writer().write(move |tx| outbox::enqueue(tx, order)).await.unwrap()
}

/// A program takes the next errand, and keeps it.
async fn take(ground: &Ground) -> Envelope {
    let consumer = async || {
        let stream = ground.bus.jetstream().get_stream("JOBS").await.ok()?;
        stream.get_consumer::<async_nats::jetstream::consumer::pull::Config>("errands").await.ok()
    };
    until("the consumer is there", async || consumer().await.is_some()).await;
    let mut messages =
        consumer().await.unwrap().fetch().max_messages(1).expires(SOON).messages().await.unwrap();
    let message = futures_util::StreamExt::next(&mut messages).await.unwrap().unwrap();
    serde_json::from_slice(&message.payload).unwrap()
}

async fn hand_in(ground: &Ground, job: &Envelope, outcome: ComputeOutcome<Value>) {
    let result = ComputeResult { queue: "errands".to_owned(), job: job.clone(), outcome };
    let body = result.envelope(job.id).to_json().into();
    let (msg_id, subject) = (format!("{}.result", job.msg_id()), ComputeResult::subject());
    ground.bus.publish(&Message { msg_id, subject, body }).await.unwrap();
}

async fn cancel(ground: &Ground, job: Uuid) -> Result<(), Undone> {
    let id = job.to_string();
    overview::cancel(&ground.data, &ground.bus, &ground.queues, &id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_handed_in_is_found_before_anybody_has_written_it_down() {
    let ground = ground().await;
    let job = errand();
    hand_in(&ground, &job, ComputeOutcome::Made(json!(1))).await;
    let id = job.id.to_string();
    let found = overview::find(&ground.data, &ground.bus, &ground.queues, &id).await.unwrap();
    let found = found.expect("it is there").job;
    assert_eq!((&*found.queue, found.state), ("errands", jobs::JobState::Running));
    let working = working(&ground);
    until("it is done", async || {
        let found = overview::find(&ground.data, &ground.bus, &ground.queues, &id).await.unwrap();
        found.is_some_and(|it| it.job.state == jobs::JobState::Done)
    })
    .await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_a_program_is_emptied_at_once() {
    let ground = ground().await;
    let only = Only { queue: Some("errands".to_owned()), kind: None };
    let all = 300;
    for _ in 0..all {
        let order = Enqueue::of("errands".to_owned(), "do", Uuid::now_v7(), json!({}));
        ground.data.writer().write(move |tx| outbox::enqueue(tx, order)).await.unwrap();
    }
    let working = working(&ground);
    until("they are sent", async || outbox::depth(&ground.data).await.unwrap().due == 0).await;
    let taken = take(&ground).await;
    let cancelled = overview::cancel_all(&ground.data, &ground.bus, &only).await.unwrap();
    assert_eq!(cancelled, all);
    assert!(!ground.is_dead(taken.id).await, "its program has it, and is told");
    let dead = jobs::dead_by_queue(&ground.data).await.unwrap();
    assert_eq!(dead, [("errands".to_owned(), 299)]);
    let place = shared::bus::waiting::Place::default();
    assert_eq!(ground.bus.waiting(&only, false, place, 10).await.unwrap().0, []);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_job_that_is_cancelled_while_it_waits_is_dead_at_once_and_frees_its_key() {
    let ground = ground().await;
    let working = working(&ground);
    let job = order_with_key(&ground).await;
    let in_stream = async || ground.bus.find_job(job).await.is_ok_and(|found| found.is_some());
    until("it is in the stream", in_stream).await;
    cancel(&ground, job).await.unwrap();
    assert!(ground.is_dead(job).await, "no program was there to say so");
    assert!(!in_stream().await, "a program would work it in vain");
    assert_ne!(order_with_key(&ground).await, job, "it holds its key");
    assert!(matches!(cancel(&ground, job).await, Err(Undone::Over { .. })));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_for_an_external_job_that_is_dead_has_no_effect() {
    let ground = ground().await;
    let working = working(&ground);
    let id = order_with_key(&ground).await;
    until("it is in the stream", async || ground.bus.find_job(id).await.unwrap().is_some()).await;
    cancel(&ground, id).await.unwrap();
    let job = Envelope { id, ..errand() };
    hand_in(&ground, &job, ComputeOutcome::Made(json!(7))).await;
    until("it is acknowledged", async || ground.is_idle().await).await;
    assert!(ground.is_dead(id).await && !ground.is_done(id).await);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_external_job_that_is_cancelled_ends_as_its_program_says() {
    let ground = ground().await;
    let working = working(&ground);
    let ends: [(ComputeOutcome<Value>, bool); 4] = [
        (ComputeOutcome::Made(json!(7)), true),
        (ComputeOutcome::Cancelled, false),
        (ComputeOutcome::failed("cut off"), false),
        (ComputeOutcome::Snoozed(Pause(HOUR)), false),
    ];
    for (outcome, is_done) in ends {
        order_with_key(&ground).await;
        let job = take(&ground).await;
        cancel(&ground, job.id).await.unwrap();
        assert!(!ground.is_dead(job.id).await, "its program still works on it");
        hand_in(&ground, &job, outcome.clone()).await;
        let over = async || ground.is_done(job.id).await || ground.is_dead(job.id).await;
        until("it is over", over).await;
        assert_eq!(ground.is_done(job.id).await, is_done, "{outcome:?}");
    }
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_comes_later_hears_too_what_is_cancelled() {
    let ground = ground().await;
    let working = working(&ground);
    order_with_key(&ground).await;
    let job = take(&ground).await;
    cancel(&ground, job.id).await.unwrap();
    let mut words = ground.bus.client().subscribe(subject::CONTROL).await.unwrap();
    let heard = async {
        loop {
            let word = futures_util::StreamExt::next(&mut words).await.unwrap();
            if word.payload == json!({"do": "cancel", "job": job.id}).to_string() {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, heard).await.expect("it is told again");
    hand_in(&ground, &job, ComputeOutcome::Cancelled).await;
    until("it is over", async || ground.is_dead(job.id).await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_job_comes_again_after_the_pause_that_its_program_names() {
    let ground = ground().await;
    let working = working(&ground);
    let (failed, snoozed) = (errand(), errand());
    let outcome =
        ComputeOutcome::Failed { failed: "it rained".to_owned(), retry_after: Some(Pause(HOUR)) };
    hand_in(&ground, &failed, outcome).await;
    hand_in(&ground, &snoozed, ComputeOutcome::Snoozed(Pause(HOUR))).await;
    for (job, snoozes) in [(failed, 0), (snoozed, 1)] {
        let waits = async || outbox::find_job(&ground.data, job.id.to_string()).await.unwrap();
        until("it is to come again", async || waits().await.is_some()).await;
        let row = waits().await.unwrap();
        assert!(row.due.since(Instant::now()) > HOUR / 2, "{:?}", row.due);
        let next: Envelope = serde_json::from_slice(&row.body).unwrap();
        assert_eq!((next.attempt, next.snoozes), (2, snoozes));
    }
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_of_an_external_job_is_shown_unless_it_is_too_large() {
    let ground = ground().await;
    let working = working(&ground);
    let large = json!("x".repeat(64 * 1024));
    for (made, shown) in [(json!({"words": 3}), true), (Value::Null, true), (large, false)] {
        let job = errand();
        hand_in(&ground, &job, ComputeOutcome::Made(made.clone())).await;
        until("it is done", async || ground.is_done(job.id).await).await;
        let detail = jobs::detail(&ground.data, job.id.to_string()).await.unwrap().unwrap();
        let result = detail.result.unwrap();
        assert_eq!(result.value, shown.then(|| Untyped::of(&made)));
        assert_eq!(result.bytes, i64::try_from(made.to_string().len()).unwrap());
    }
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_of_an_external_job_is_told_to_those_who_watch() {
    let ground = ground().await;
    let working = working(&ground);
    let report = async |queue: &str, progress: f32| {
        let job = Uuid::now_v7();
        let body = json!({"job": job, "kind": "do", "attempt": 1, "progress": progress});
        let subject = format!("progress.{queue}");
        ground.bus.client().publish(subject, body.to_string().into()).await.unwrap();
    };
    let told = async || {
        report("chores", 0.5).await;
        report("errands", 0.5).await;
        ground.told("errands").await.contains(&"job.running".to_owned())
    };
    until("it is told", told).await;
    assert_eq!(ground.told("chores").await, Vec::<String>::new(), "that is no external queue");
    working.stop().await;
}
