//! Listens to what goes over NATS: what is published, and what is delivered to workers.

use async_nats::jetstream::Context;
use async_nats::{Client, HeaderMap, HeaderValue, Message, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use support::site::Site;
use tokio::task::unconstrained;

use crate::ledger::connect;
use crate::load::id_of;

/// Where the server delivers what was pulled.
const DELIVERED: &str = "_INBOX.>";
/// The answers to those deliveries go here.
const ACKS: &str = "$JS.ACK.JOBS.";

/// A listener beside all others.
pub struct Tap {
    context: Context,
    heard: Subscriber,
}

impl Tap {
    /// Hears everything that is published as a job or as an event of a comment.
    pub async fn on_orders(site: &Site) -> Self {
        Self::on(site, "jobs.>").await
    }

    /// Hears every job that is delivered to a worker.
    pub async fn on_deliveries(site: &Site) -> Self {
        Self::on(site, DELIVERED).await
    }

    async fn on(site: &Site, subject: &'static str) -> Self {
        let context = connect(site).await.expect("NATS is there");
        let heard = context.client().subscribe(subject).await.expect("NATS is there");
        context.client().flush().await.expect("NATS is there");
        Self { context, heard }
    }

    /// The connection.
    pub fn client(&self) -> Client {
        self.context.client()
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        self.heard.next().await.expect("the connection stands")
    }

    /// The next job that is delivered.
    pub async fn next_delivery(&mut self) -> Delivered {
        loop {
            let message = self.next().await;
            if let Some(reply) = message.reply.clone().filter(|reply| reply.starts_with(ACKS)) {
                return Delivered { reply: reply.to_string(), body: message.payload.to_vec() };
            }
        }
    }

    /// What was heard and not taken yet.
    pub fn heard(&mut self) -> Vec<Message> {
        let mut heard = Vec::new();
        while let Some(Some(message)) = unconstrained(self.heard.next()).now_or_never() {
            heard.push(message);
        }
        heard
    }

    /// Publishes a message that was heard once more, under `id` or as it was; whether the
    /// stream stored it, rather than know it.
    pub async fn repeat(&self, message: &Message, id: Option<&str>) -> bool {
        let own = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        let mut headers = HeaderMap::new();
        if let Some(id) = id.or(own.map(HeaderValue::as_str)) {
            headers.insert("Nats-Msg-Id", id);
        }
        let (subject, body) = (message.subject.clone(), message.payload.clone());
        let sent = self.context.publish_with_headers(subject, headers, body).await;
        let receipt = sent.expect("NATS is there").await;
        receipt.is_ok_and(|receipt| !receipt.duplicate)
    }
}

/// A job as it went to a worker.
pub struct Delivered {
    /// Where the answer goes.
    pub reply: String,
    /// The message.
    pub body: Vec<u8>,
}

impl Delivered {
    /// The consumer, and the place in the stream.
    pub fn place(&self) -> (&str, &str) {
        let mut words = self.reply.split('.').skip(3);
        (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default())
    }

    /// How often the message was delivered, this time included.
    pub fn times(&self) -> u64 {
        self.reply.split('.').nth(4).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// The id of the job, when `name` is its id or that of its image.
    pub fn job(&self, name: &str) -> Option<String> {
        let job: Value = serde_json::from_slice(&self.body).ok()?;
        let is_it = job["id"] == name || job["payload"]["image"] == name;
        is_it.then(|| id_of(&job))
    }
}
