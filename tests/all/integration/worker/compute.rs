//! Compute jobs: what came of one is written down once, however often it comes.

use std::sync::atomic::{AtomicU32, Ordering};

use shared::db::begun;
use shared::jobs::compute::{ComputeOutcome, ComputeResult};
use shared::jobs::enqueue::Priority;
use shared::queues::Rate;
use worker::registry::Away;

use super::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sum {
    parts: Vec<u32>,
}

impl Job for Sum {
    const QUEUE: &'static str = "sums";
    const KIND: &'static str = "add";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Added {
    job: Envelope<Sum>,
    outcome: ComputeOutcome<u32>,
}

impl Job for Added {
    const QUEUE: &'static str = "chores";
    const KIND: &'static str = "added";
}

fn registry() -> Registry {
    registry_with(Arc::new(AtomicU32::new(0)))
}

/// What the sums need is away for the first `away` tries.
fn registry_with(away: Arc<AtomicU32>) -> Registry {
    let mut registry = Registry::default();
    let add = move |job: Envelope<Sum>| {
        let tries_left = away.load(Ordering::Relaxed);
        away.store(tries_left.saturating_sub(1), Ordering::Relaxed);
        async move {
            if tries_left > 0 {
                return Err(Away("no abacus".to_owned()));
            }
            assert!(!job.payload.parts.is_empty(), "nothing to add");
            Ok(ComputeOutcome::Made(job.payload.parts.iter().sum()))
        }
    };
    registry.compute::<Sum, u32, Added, _>(add, |job, outcome| Added { job, outcome }).unwrap();
    registry
        .data::<Added>(|tx, result| {
            let text = match &result.payload.outcome {
                ComputeOutcome::Made(sum) => format!("the sum is {sum}"),
                ComputeOutcome::Failed { failed: why, .. }
                | ComputeOutcome::Refused(why)
                | ComputeOutcome::Lost(why) => why.clone(),
                ComputeOutcome::Snoozed(_) | ComputeOutcome::Cancelled => "none".to_owned(),
            };
            alerts::raise(tx, AlertLevel::Load, &text, result.id)?;
            Ok(Outcome::Done)
        })
        .unwrap();
    registry
}

async fn ground() -> Ground {
    let mut ground = Ground::new().await;
    let sums = queue(Role::Compute);
    ground.queues.queues.insert("sums".to_owned(), sums);
    ground
}

fn order(msg_id: &str, job: &Envelope<Sum>) -> Message {
    Message { msg_id: msg_id.to_owned(), subject: Sum::subject(), body: job.to_json().into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_compute_job_that_runs_twice_has_one_result() {
    let ground = ground().await;
    let job = Sum { parts: vec![1, 2, 3] }.envelope(Uuid::now_v7());
    for msg_id in ["first", "second"] {
        ground.bus.publish(&order(msg_id, &job)).await.unwrap();
    }
    let working = ground.work(registry());
    until("the result is there", async || ground.effects("the sum is 6").await > 0).await;
    until("all is acknowledged", async || ground.is_idle().await).await;
    // What a NATS that has forgotten the message id would let through:
    let result = ground.ended(false).await;
    let mut again = Added { job, outcome: ComputeOutcome::Made(6) }.envelope(Uuid::now_v7());
    again.id = result[0].id.parse().unwrap();
    ground.bus.publish(&message("again", "added", again.to_json())).await.unwrap();
    until("it is acknowledged", async || ground.is_idle().await).await;
    assert_eq!(ground.effects("the sum is 6").await, 1);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compute_job_that_panics_hands_in_a_failure() {
    let ground = ground().await;
    let working = ground.work(registry());
    let job = Sum { parts: vec![] }.envelope(Uuid::now_v7());
    ground.bus.publish(&order("empty", &job)).await.unwrap();
    let why = "the executor panicked: nothing to add";
    until("the failure is told", async || ground.effects(why).await == 1).await;
    until("all is acknowledged", async || ground.is_idle().await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_costs_a_compute_job_no_attempt() {
    let ground = ground().await;
    let away = Arc::new(AtomicU32::new(1));
    let working = ground.work(registry_with(Arc::clone(&away)));
    let job = Sum { parts: vec![4] }.envelope(Uuid::now_v7());
    ground.bus.publish(&order("patient", &job)).await.unwrap();
    let told = async || ground.effects("the sum is 4").await == 1;
    until("the result is there", told).await;
    assert_eq!(away.load(Ordering::Relaxed), 0, "it was not tried before");
    assert_eq!(ground.effects("no abacus").await, 0);
    until("all is acknowledged", async || ground.is_idle().await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_rate_and_blames_no_job_that_it_gives_back() {
    let mut ground = ground().await;
    let rate = Rate { limit: 1, per: Duration::from_secs(3600), by: None };
    ground.queues.queues.get_mut("sums").unwrap().rate = Some(rate);
    let working = ground.work(registry());
    let jobs = [1, 2].map(|n| Sum { parts: vec![n] }.envelope(Uuid::now_v7()));
    for job in &jobs {
        ground.bus.publish(&order(&job.msg_id(), job)).await.unwrap();
    }
    until("the first is done", async || ground.ended(false).await.len() == 1).await;
    let taken = async || ground.bus.queue_states(&[]).await.unwrap()["sums"].in_flight == 1;
    until("the second is taken, and waits", taken).await;
    tokio::time::timeout(SOON, working.stop()).await.expect("it waits for the rate");
    let (first, second) =
        (ground.effects("the sum is 1").await, ground.effects("the sum is 2").await);
    assert_eq!(first + second, 1);
    let late = &jobs[first];
    assert_eq!(begun::again(&ground.data, late.id, 1).await.unwrap(), -1, "it is blamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_of_another_program_keeps_its_priority() {
    let mut ground = Ground::new().await;
    let long = Duration::from_secs(3600);
    let errands = Queue { backoff: long, backoff_max: long, ..queue(Role::External) };
    ground.queues.queues.insert("errands".to_owned(), errands);
    ground.queues.queues.insert("results".to_owned(), queue(Role::Data));
    let (_settings, live) = watch::channel(Arc::new(ground.queues.clone()));
    let mut registry = Registry::default();
    worker::jobs::compute::register(&mut registry, live).unwrap();
    let working = ground.work(registry);
    let mut job = Envelope::new("do", 1, Uuid::now_v7(), Untyped::of(&serde_json::json!({})));
    job.priority = Priority::High;
    let outcome = ComputeOutcome::failed("it rained");
    let result = ComputeResult { queue: "errands".to_owned(), job: job.clone(), outcome };
    let body = result.envelope(job.id).to_json().into();
    let subject = ComputeResult::subject();
    ground.bus.publish(&Message { msg_id: "result".to_owned(), subject, body }).await.unwrap();
    let waits = async || outbox::find_job(&ground.data, job.id.to_string()).await.unwrap();
    until("it is to come again", async || waits().await.is_some()).await;
    assert_eq!(waits().await.unwrap().subject, "jobs.errands.do.high");
    working.stop().await;
}
