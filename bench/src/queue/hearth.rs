//! Hearth's own queue: the outbox, its relay and the runner, in processes like
//! `web` and `worker`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::bus::{Bus, relay};
use shared::db::{Data, Error, Tx, done, jobs, outbox};
use shared::envelope::Envelope;
use shared::jobs::Job as _;
use shared::queues::Queues;
use shared::shutdown::Shutdown;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use worker::config::Role;
use worker::metrics::Metrics;
use worker::registry::{Outcome, Registry};
use worker::runner::running::Running;
use worker::runner::{self, Shared};

use super::contestant::Store;
use super::measure::Ground;
use super::noop::{NoOp, lots, say, say_now, told};
use crate::program::now;
use crate::setup::this_program;

/// Between two looks at the database for an effect that is being committed.
const LOOK: Duration = Duration::from_micros(50);

impl Ground for Store {
    fn worker(&self, every: usize) -> Command {
        let mut command = self.process("hearth-worker");
        // What `worker` sets for itself.
        command.arg(every.to_string()).env("MALLOC_MMAP_THRESHOLD_", "131072");
        command
    }

    fn producer(&self) -> Command {
        self.process("hearth-producer")
    }

    fn verify(&self, jobs: usize) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let counts = async {
            let data = Data::open(self.dir())?;
            jobs::done_by_queue(&data).await
        };
        let counts = runtime.map_err(|error| error.to_string())?.block_on(counts);
        let counts = counts.map_err(|error| error.to_string())?;
        let done = counts.iter().find(|(queue, _)| queue == NoOp::QUEUE).map_or(0, |it| it.1);
        match usize::try_from(done) {
            Ok(done) if done == jobs => Ok(()),
            _ => Err(format!("{done} of {jobs} jobs are done")),
        }
    }
}

impl Store {
    fn process(&self, role: &str) -> Command {
        let mut command = this_program();
        command.args(["contestant", role]).arg(self.dir()).arg(self.nats_url());
        command
    }
}

/// Makes the database.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(dir: &Path) -> Result<(), String> {
    let queues = include_str!("queues.yml");
    Data::prepare(dir).map_err(|error| error.to_string())?;
    std::fs::write(queues_file(dir), queues).map_err(|error| error.to_string())
}

fn queues_file(dir: &Path) -> PathBuf {
    dir.join("queues.yml")
}

/// Enqueues as many jobs as it is told, in transactions of a thousand, and
/// relays them.
pub async fn produce(dir: &Path, bus: Bus) {
    let data = Data::open(dir).expect("the database opens");
    tokio::spawn(relay::run(data.clone(), bus, Shutdown::new()));
    let mut lines = told();
    say_now("ready");
    while let Some(line) = lines.recv().await {
        match line.parse() {
            Ok(jobs) => enqueue(&data, jobs).await,
            Err(_) => settle(&data).await,
        }
    }
}

async fn enqueue(data: &Data, jobs: usize) {
    let begin = now();
    for lot in lots(jobs) {
        let send = move |tx: &Tx<'_>| {
            let cause = Uuid::now_v7();
            (0..lot).try_for_each(|_| outbox::job(tx, NoOp::new(), cause).map(drop))
        };
        data.writer().write::<(), Error, _>(send).await.expect("the outbox takes jobs");
    }
    say("begin", begin);
    say_now("enqueued");
}

/// Waits until the stream has all jobs.
async fn settle(data: &Data) {
    while outbox::depth(data).await.expect("the outbox can be read").due > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    say_now("settled");
}

/// Works as `worker run` does.
pub async fn work(dir: &Path, bus: Bus, every: usize) {
    let data = Data::open(dir).expect("the database opens");
    let queues = Queues::read(&queues_file(dir)).expect("the queues can be read");
    let (executed, watched) = unbounded_channel();
    let mut registry = Registry::default();
    let executor = counting(executed, every);
    registry.data::<NoOp>(executor).expect("it has one executor");
    tokio::spawn(watch(data.clone(), watched));
    tokio::spawn(relay::run(data.clone(), bus.clone(), Shutdown::new()));
    let mut lines = told();
    say_now("ready");
    lines.recv().await;
    let shared = Shared {
        bus,
        data: Some(data),
        registry,
        metrics: Metrics::default(),
        shutdown: Shutdown::new(),
        acks: TaskTracker::new(),
        running: Running::default(),
    };
    let (_settings, queues) = watch::channel(Arc::new(queues));
    runner::run(Arc::new(shared), queues, Role::Data).await;
}

/// The executor: does nothing but name each `every`th job.
fn counting(
    executed: UnboundedSender<Uuid>,
    every: usize,
) -> impl Fn(&Tx<'_>, &Envelope<NoOp>) -> Result<Outcome, worker::registry::Failure> {
    let count = AtomicUsize::new(0);
    move |_, job| {
        if (count.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every) {
            let _ended = executed.send(job.id);
        }
        Ok(Outcome::Done)
    }
}

/// Says `done` once the job that was named is seen as done from outside of the
/// transaction that does it: then it is on disk, and so is all before it.
async fn watch(data: Data, mut executed: UnboundedReceiver<Uuid>) {
    while let Some(id) = executed.recv().await {
        while !done::is_over(&data, id).await.expect("the database can be read") {
            tokio::task::block_in_place(|| std::thread::sleep(LOOK));
        }
        say_now("done");
    }
}
