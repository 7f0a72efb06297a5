//! The runner on a real NATS and a real database: a job has its effect exactly
//! once, and ends as done or as dead.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod compute;
mod endings;
mod external;
mod once;
mod orders;
mod overview;
mod packs;
mod roles;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::bus::{Bus, Message, relay};
use shared::db::jobs::Listed;
use shared::db::{Data, Tx, alerts, jobs, outbox};
use shared::envelope::{Envelope, Untyped};
use shared::events::AlertLevel;
use shared::jobs::Job;
use shared::queues::{Queue, Queues, Role};
use shared::shutdown::Shutdown;
use stack::{Nats, TempDir};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use worker::metrics::Metrics;
use worker::registry::{Failure, Outcome, Registry};
use worker::runner::running::Running;
use worker::runner::{self, Shared};

/// Anything that these tests wait for comes within this.
const SOON: Duration = Duration::from_secs(30);

/// A job whose effect can be counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chore {
    name: String,
}

impl Job for Chore {
    const QUEUE: &'static str = "chores";
    const KIND: &'static str = "do";
}

/// The effect: an alert that names the chore.
fn effect(tx: &Tx<'_>, job: &Envelope<Chore>) -> Result<Outcome, Failure> {
    alerts::raise(tx, AlertLevel::Load, &job.payload.name, job.id)?;
    Ok(Outcome::Done)
}

fn queue(role: Role) -> Queue {
    Queue {
        role,
        concurrency: 1,
        batch: 20,
        linger: Duration::ZERO,
        timeout: Duration::from_secs(10),
        attempts: 3,
        backoff: Duration::from_millis(20),
        backoff_max: Duration::from_secs(1),
        rate: None,
        paused: false,
        results: Vec::new(),
    }
}

/// NATS and a database of their own.
struct Ground {
    nats: Nats,
    data: Data,
    bus: Bus,
    queues: Queues,
    dir: TempDir,
}

impl Ground {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let nats = Nats::start(dir.path()).unwrap();
        Data::prepare(dir.path()).unwrap();
        let data = Data::open(dir.path()).unwrap();
        let bus = Bus::connect(&nats.url().parse().unwrap(), "test").await.unwrap();
        until("the streams are there", async || bus.ensure_streams().await.is_ok()).await;
        let queues = BTreeMap::from([("chores".to_owned(), queue(Role::Data))]);
        let queues = Queues { queues, ..Queues::default() };
        Self { nats, data, bus, queues, dir }
    }

    /// Starts a worker with its relay.
    fn work(&self, registry: Registry) -> Working {
        let (data, bus) = (self.data.clone(), self.bus.clone());
        work(data, bus, self.queues.clone(), registry)
    }

    /// Sends a chore through the outbox.
    async fn order(&self, name: &str) -> Uuid {
        let name = name.to_owned();
        let send = move |tx: &Tx<'_>| outbox::job(tx, Chore { name }, Uuid::now_v7());
        self.data.writer().write(send).await.unwrap()
    }

    /// How often the chore `name` had its effect.
    async fn effects(&self, name: &str) -> usize {
        let all = alerts::list(&self.data, None, None, 1000).await.unwrap();
        all.items.iter().filter(|alert| alert.text == name).count()
    }

    async fn ended(&self, dead: bool) -> Vec<Listed> {
        let which = if dead { jobs::Which::Dead } else { jobs::Which::Done };
        jobs::list(&self.data, which, None, None, 100).await.unwrap().items
    }

    async fn is_done(&self, id: Uuid) -> bool {
        let done = self.ended(false).await;
        done.iter().any(|job| job.id == id.to_string())
    }

    async fn is_dead(&self, id: Uuid) -> bool {
        let dead = self.ended(true).await;
        dead.iter().any(|job| job.id == id.to_string())
    }

    /// The kinds of what those are told who follow a queue.
    async fn told(&self, queue: &str) -> Vec<String> {
        let (first, now) = (shared::time::Instant::from_millis(0), shared::time::Instant::now());
        let events = self.bus.events_within(first, now, 1000).await;
        let topic = shared::subject::Topic::jobs(queue);
        let of_it = events.unwrap().into_iter().filter(|event| event.topic == topic);
        let read = |body: &[u8]| serde_json::from_slice::<Envelope>(body).unwrap().kind;
        of_it.map(|event| read(&event.body)).collect()
    }

    /// Whether NATS holds no job any more: each was acknowledged.
    async fn is_idle(&self) -> bool {
        let stream = self.bus.jetstream().get_stream("JOBS").await;
        stream.is_ok_and(|stream| stream.cached_info().state.messages == 0)
    }
}

/// A worker that runs.
struct Working {
    settings: watch::Sender<Arc<Queues>>,
    shutdown: Shutdown,
    runner: JoinHandle<()>,
    relay: JoinHandle<()>,
}

fn work(data: Data, bus: Bus, queues: Queues, registry: Registry) -> Working {
    let shutdown = Shutdown::new();
    let relay = tokio::spawn(relay::run(data.clone(), bus.clone(), shutdown.clone()));
    let shared = Shared {
        bus,
        data: Some(data),
        registry,
        metrics: Metrics::default(),
        shutdown: shutdown.clone(),
        acks: TaskTracker::new(),
        running: Running::default(),
    };
    let role = worker::config::Role::All;
    let (settings, live) = watch::channel(Arc::new(queues));
    let runner = tokio::spawn(runner::run(Arc::new(shared), live, role));
    Working { settings, shutdown, runner, relay }
}

impl Working {
    /// Stops as SIGTERM does.
    async fn stop(self) {
        self.shutdown.cancel();
        self.runner.await.unwrap();
        self.relay.await.unwrap();
    }
}

/// A registry with one executor of chores.
fn doing(
    execute: impl Fn(&Tx<'_>, &Envelope<Chore>) -> Result<Outcome, Failure> + Send + Sync + 'static,
) -> Registry {
    let mut registry = Registry::default();
    registry.data::<Chore>(execute).unwrap();
    registry
}

/// A message of the queue, as any program could publish it.
fn message(msg_id: &str, kind: &str, body: impl Into<Vec<u8>>) -> Message {
    Message {
        msg_id: msg_id.to_owned(),
        subject: shared::subject::job("chores", kind),
        body: body.into().into(),
    }
}

/// Waits until `holds`.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, wait).await.is_ok(), "never: {what}");
}
