//! Reading a stream's messages without a consumer, many at once (ADR-31).

use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::Bus;
use super::replay::{ReplayError, Stored};
use crate::subject::{ALL_EVENTS, EVENTS, Topic};
use crate::time::Instant;

/// The next message of an answer comes within this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events of one answer at most.
const PAGE: usize = 500;
/// Bytes of one answer at most.
const BYTES: u64 = 4 * 1024 * 1024;

/// A message of a stream.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) sequence: u64,
    pub(super) subject: String,
    pub(super) stored: Instant,
    pub(super) body: Bytes,
}

/// The messages could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the stream {stream}: {problem}")]
pub(super) struct ReadError {
    stream: String,
    problem: String,
}

impl Bus {
    /// Messages of `stream` from `from` on whose subjects match `filter`, at
    /// most `limit`; the server may give fewer, and none only at the end.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub(super) async fn direct(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Found>, ReadError> {
        let ask = json!({"batch": limit, "max_bytes": BYTES, "seq": from, "next_by_subj": filter});
        let read = self.read(stream, ask).await;
        read.map_err(|problem| ReadError { stream: stream.to_owned(), problem })
    }

    /// Events that were stored from `from` to `until`, oldest first, at most
    /// `limit`.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn events_within(
        &self,
        from: Instant,
        until: Instant,
        limit: usize,
    ) -> Result<Vec<Stored>, ReplayError> {
        self.ready().map_err(ReplayError::new)?;
        let mut begin = ("start_time", json!(from));
        let mut events = Vec::new();
        while events.len() < limit {
            let batch = PAGE.min(limit - events.len());
            let (place, value) = begin;
            let ask = json!({
                "batch": batch, "max_bytes": BYTES, "next_by_subj": ALL_EVENTS, place: value,
            });
            let page = self.read(EVENTS, ask).await.map_err(ReplayError::new)?;
            let Some(last) = page.last() else { break };
            let is_past = last.stored > until;
            begin = ("seq", json!(last.sequence + 1));
            let within = page.into_iter().take_while(|found| found.stored <= until);
            events.extend(within.filter_map(|it| {
                let topic = Topic::from_event_subject(&it.subject)?;
                Some(Stored { seq: it.sequence, topic, body: it.body })
            }));
            if is_past {
                break;
            }
        }
        Ok(events)
    }

    async fn read(&self, stream: &str, ask: Value) -> Result<Vec<Found>, String> {
        let inbox = self.client().new_inbox();
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let mut answers = self.client().subscribe(inbox.clone()).await.map_err(|e| told(&e))?;
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let sent = self.client().publish_with_reply(subject, inbox, ask.to_string().into()).await;
        sent.map_err(|e| told(&e))?;
        let mut found = Vec::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, answers.next()).await;
            let next = next.map_err(|_| "no answer in time".to_owned())?;
            let Some(message) = next else { return Err("the connection was closed".to_owned()) };
            match message.status.map(|status| status.as_u16()) {
                None => found.extend(parse(message)),
                // 204: the end of the batch. 404: nothing is there.
                Some(204 | 404) => return Ok(found),
                Some(other) => return Err(message.description.unwrap_or(other.to_string())),
            }
        }
    }
}

fn parse(message: Message) -> Option<Found> {
    let headers = message.headers.as_ref()?;
    let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    Some(Found {
        sequence: header("Nats-Sequence")?.parse().ok()?,
        subject: header("Nats-Subject")?.to_owned(),
        stored: Instant::parse(header("Nats-Time-Stamp")?).ok()?,
        body: message.payload,
    })
}
