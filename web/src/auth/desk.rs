//! Who wants to watch: asked of the databases, or, where there are none, of a
//! process that has them.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use shared::bus::Bus;
use shared::queues::Destination;
use shared::shutdown::Shutdown;
use shared::subject::{DESK, Pattern, Topic};
use uuid::Uuid;

use super::proof::{Holder, Proof, Register};
use crate::error::{Error, Result};
use crate::queues_file::QueuesFile;

/// An answer of another process comes within this.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Of those who listen, one answers.
const GROUP: &str = "web";

/// Who wants to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Viewer {
    /// Anybody.
    Visitor,
    /// The admin, by user id.
    Admin(Uuid),
    /// A program with a token for topics of these shapes.
    Token(Vec<Pattern>),
}

/// Where one asks.
#[derive(Clone)]
pub enum Desk {
    /// In the records of this process.
    Here(Records),
    /// At a process that has them, over NATS.
    Elsewhere(Box<Bus>),
}

/// A question to another process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Question {
    Who(Proof),
    OfResults(Topic),
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Viewer(Viewer),
    OfResults(bool),
    Unauthorised,
    Failed,
}

impl Desk {
    /// Who a proof is of.
    ///
    /// # Errors
    /// When a token is unknown, or nobody can say.
    pub async fn viewer(&self, proof: Option<Proof>) -> Result<Viewer> {
        let Some(proof) = proof else {
            return Ok(Viewer::Visitor);
        };
        match self {
            Self::Here(records) => records.viewer(proof).await,
            Self::Elsewhere(bus) => match ask(bus, &Question::Who(proof)).await {
                Some(Reply::Viewer(viewer)) => Ok(viewer),
                Some(Reply::Unauthorised) => Err(Error::Unauthorised),
                _ => Err(Error::unavailable("nobody can say just now who you are; try again")),
            },
        }
    }

    /// Whether the results of a queue go to a topic. What programs make of payloads
    /// is nothing that all may see: the admin may watch it, as a log.
    ///
    /// # Errors
    /// When the file of queues was never of use, or nobody can say.
    pub async fn is_of_results(&self, topic: &Topic) -> Result<bool> {
        match self {
            Self::Here(records) => records.is_of_results(topic).await,
            Self::Elsewhere(bus) => match ask(bus, &Question::OfResults(topic.clone())).await {
                Some(Reply::OfResults(is)) => Ok(is),
                _ => Err(Error::unavailable("nobody can say just now which topics there are")),
            },
        }
    }
}

/// What this process knows of who may watch what.
#[derive(Clone)]
pub struct Records {
    /// Who a proof is of.
    pub register: Register,
    /// Where the results of queues go.
    pub queues: QueuesFile,
}

impl Records {
    async fn viewer(&self, proof: Proof) -> Result<Viewer> {
        Ok(match self.register.holder(proof).await? {
            None => Viewer::Visitor,
            Some(Holder::Admin(identity)) => Viewer::Admin(identity.user.id),
            Some(Holder::Watcher(patterns)) => Viewer::Token(patterns),
        })
    }

    async fn is_of_results(&self, topic: &Topic) -> Result<bool> {
        let queues = self.queues.read().await?.queues;
        let mut all = queues.values().flat_map(|queue| &queue.results);
        Ok(all.any(|result| matches!(result, Destination::Event(it) if it == topic)))
    }
}

async fn ask(bus: &Bus, question: &Question) -> Option<Reply> {
    bus.ready().ok()?;
    let body = serde_json::to_vec(question).expect("a question is plain JSON");
    let asked = bus.client().request(DESK, body.into());
    let reply = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    serde_json::from_slice(&reply.payload).ok()
}

/// Answers the questions of processes without databases, until shutdown.
pub async fn answer(bus: Bus, records: Records, shutdown: Shutdown) {
    while !shutdown.is_cancelled() {
        match bus.client().queue_subscribe(DESK, GROUP.to_owned()).await {
            Ok(questions) => tokio::select! {
                () = hear(questions, &bus, &records) => {}
                () = shutdown.cancelled() => return,
            },
            Err(error) => {
                tracing::warn!(%error, "live edges cannot ask who somebody is");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One question at a time: an edge asks for few of those who come to it.
async fn hear(mut questions: Subscriber, bus: &Bus, records: &Records) {
    while let Some(Message { payload, reply, .. }) = questions.next().await {
        let Some(inbox) = reply else { continue };
        let said = match serde_json::from_slice(&payload) {
            Ok(question) => say(records, question).await,
            Err(_) => Reply::Failed,
        };
        let body = serde_json::to_vec(&said).expect("a reply is plain JSON");
        if let Err(error) = bus.client().publish(inbox, body.into()).await {
            tracing::debug!(%error, "an edge gets no reply, and will say so");
        }
    }
}

async fn say(records: &Records, question: Question) -> Reply {
    let said = match question {
        Question::Who(proof) => records.viewer(proof).await.map(Reply::Viewer),
        Question::OfResults(topic) => records.is_of_results(&topic).await.map(Reply::OfResults),
    };
    match said {
        Ok(reply) => reply,
        Err(Error::Unauthorised) => Reply::Unauthorised,
        Err(error) => {
            tracing::error!(error = shared::error::chain(&error), "an edge asked in vain");
            Reply::Failed
        }
    }
}
