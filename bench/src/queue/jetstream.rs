//! JetStream alone, in the batches that Hearth uses: what the bus costs without
//! a database.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::jetstream::Message as Delivered;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::{StreamExt as _, stream};
use shared::bus::{Bus, Message};
use shared::envelope::Envelope;
use shared::jobs::Job as _;
use shared::jobs::enqueue::Priority;
use shared::subject::{self, JobAddress};
use uuid::Uuid;

use super::contestant::Nats;
use super::measure::Ground;
use super::noop::{NoOp, lots, say, say_now, told};
use crate::program::now;
use crate::setup::this_program;

/// Jobs of one message, as in Hearth.
const PACK: usize = 500;
/// Batches under way at once: what a producer that is not bound by a database
/// would do.
const WINDOW: usize = 4;

impl Ground for Nats {
    fn worker(&self, every: usize) -> Command {
        let mut command = self.process("jetstream-worker");
        command.arg(every.to_string());
        command
    }

    fn producer(&self) -> Command {
        self.process("jetstream-producer")
    }
}

impl Nats {
    fn process(&self, role: &str) -> Command {
        let mut command = this_program();
        command.args(["contestant", role]).arg(Path::new("/")).arg(self.url());
        command
    }
}

/// Publishes as many jobs as it is told, a thousand in an atomic batch.
pub async fn produce(bus: Bus) {
    let mut lines = told();
    say_now("ready");
    while let Some(line) = lines.recv().await {
        match line.parse() {
            Ok(jobs) => enqueue(&bus, jobs).await,
            Err(_) => say_now("settled"),
        }
    }
}

async fn enqueue(bus: &Bus, jobs: usize) {
    let begin = now();
    let sent = stream::iter(lots(jobs)).map(|lot| publish(bus, lot));
    sent.buffer_unordered(WINDOW).collect::<()>().await;
    say("begin", begin);
    say_now("enqueued");
}

async fn publish(bus: &Bus, lot: usize) {
    let cause = Uuid::now_v7();
    let envelopes: Vec<_> = (0..lot).map(|_| NoOp::new().envelope(cause)).collect();
    let messages: Vec<_> = envelopes.chunks(PACK).map(message).collect();
    bus.publish_all(&messages).await.expect("the stream takes jobs");
}

fn message(jobs: &[Envelope<NoOp>]) -> Message {
    let msg_id = jobs[0].msg_id();
    if let [job] = jobs {
        return Message { msg_id, subject: NoOp::subject(), body: job.to_json().into() };
    }
    let (queue, kind) = (NoOp::QUEUE, NoOp::KIND);
    let address = JobAddress { queue, kind, priority: Priority::Normal, packed: None };
    let subject = subject::pack(&address, jobs.len());
    let body = serde_json::to_vec(jobs).expect("jobs are JSON");
    Message { msg_id, subject, body: body.into() }
}

/// Reads jobs and acknowledges them, each message with a receipt.
pub async fn work(bus: Bus, every: usize) {
    let mut lines = told();
    say_now("ready");
    lines.recv().await;
    let config = pull::Config {
        durable_name: Some(NoOp::QUEUE.to_owned()),
        filter_subjects: subject::filters(NoOp::QUEUE, Priority::Normal),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: 2000,
        ..pull::Config::default()
    };
    let created = bus.jetstream().create_consumer_on_stream(config, subject::JOBS).await;
    let consumer = created.expect("the consumer can be made");
    let mut messages = consumer.messages().await.expect("messages can be pulled");
    let done = Arc::new(AtomicUsize::new(0));
    while let Some(message) = messages.next().await {
        let message = message.expect("NATS stays");
        let jobs = read(&message.payload);
        tokio::spawn(acknowledge(bus.clone(), message, jobs, every, Arc::clone(&done)));
    }
}

/// How many jobs a message holds; all of them are read.
fn read(body: &[u8]) -> usize {
    if body.starts_with(b"[") {
        let jobs: Vec<Envelope<NoOp>> = serde_json::from_slice(body).expect("a pack of jobs");
        return jobs.len();
    }
    let _job: Envelope<NoOp> = serde_json::from_slice(body).expect("a job");
    1
}

/// As Hearth does: one subscription takes all receipts.
async fn acknowledge(
    bus: Bus,
    message: Delivered,
    jobs: usize,
    every: usize,
    done: Arc<AtomicUsize>,
) {
    let reply = message.reply.clone().expect("a message of JetStream is answered");
    let request = async_nats::Request::new().payload("+ACK".into());
    bus.client().send_request(reply, request).await.expect("NATS confirms");
    let before = done.fetch_add(jobs, Ordering::Relaxed);
    if before / every != (before + jobs) / every {
        say_now("done");
    }
}
