//! Tells the pages that follow a queue that jobs of it are in the stream.
//!
//! As of jobs that run or are done, one notice stands for many jobs, and nothing
//! is lost with one that is not sent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Deserializer;

use super::{Bus, Message};
use crate::envelope::Envelope;
use crate::events::{Event, JobChange, JobNews};
use crate::subject;

/// A queue tells no more than one notice in this time; the first one at once.
const PERIOD: Duration = Duration::from_secs(1);

/// The notices of one process.
#[derive(Default)]
pub(super) struct Queued(Mutex<HashMap<String, Notice>>);

/// What one queue tells.
#[derive(Default)]
struct Notice {
    /// A message that was stored since the last one was told.
    untold: Option<Message>,
    told: Option<Instant>,
}

impl Queued {
    /// A message was stored: of a queue, or not.
    pub(super) fn note(&self, message: &Message) {
        let Some(queue) = subject::queue_of(&message.subject) else { return };
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match queues.get_mut(queue) {
            Some(Notice { untold: Some(_), .. }) => {}
            Some(notice) => notice.untold = Some(message.clone()),
            None => {
                let notice = Notice { untold: Some(message.clone()), told: None };
                queues.insert(queue.to_owned(), notice);
            }
        }
    }

    /// Tells what is to be told by now, in the background.
    pub(super) fn tell(&self, bus: &Bus) {
        let now = Instant::now();
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for notice in queues.values_mut() {
            if notice.told.is_some_and(|told| now - told < PERIOD) {
                continue;
            }
            if let Some(event) = notice.untold.take().as_ref().and_then(event) {
                notice.told = Some(now);
                let bus = bus.clone();
                tokio::spawn(async move {
                    if let Err(error) = bus.publish(&event.into()).await {
                        tracing::debug!(%error, "that jobs are queued was not told");
                    }
                });
            }
        }
    }
}

/// That the first job of a message is queued.
fn event(message: &Message) -> Option<Event> {
    let queue = subject::queue_of(&message.subject)?;
    let body = message.body.strip_prefix(b"[").unwrap_or(&message.body);
    let first = Deserializer::from_slice(body).into_iter::<Envelope>().next()?.ok()?;
    Some(Event::job(&JobChange::new(queue, &first, JobNews::Queued)))
}
