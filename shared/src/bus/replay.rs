//! Reading the EVENTS stream again: for resumes and for gaps.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::Bus;
use super::streams::epoch;
use crate::subject::{ALL_EVENTS, EVENTS, Topic};

/// Events fetched at once.
const PAGE: usize = 500;
/// The server forgets the consumer of a replay that was cut off after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// An event as the stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the stream: one order for all topics.
    pub seq: u64,
    /// Who may see it.
    pub topic: Topic,
    /// The envelope, as JSON.
    pub body: Bytes,
}

/// Where the EVENTS stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsState {
    /// Tells one life of the stream from another.
    pub epoch: String,
    /// The oldest event that is still held; one more than `last` when none is.
    pub first: u64,
    /// The newest event.
    pub last: u64,
}

/// Some of the events that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub events: Vec<Stored>,
    /// They are all up to here.
    pub until: u64,
}

/// The stream could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the events again: {0}")]
pub struct ReplayError(String);

impl ReplayError {
    /// Says why the events cannot be had.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Bus {
    /// Where the EVENTS stream stands now.
    ///
    /// # Errors
    /// When NATS is away or the stream is not there.
    pub async fn events_state(&self) -> Result<EventsState, ReplayError> {
        let stream = self.jetstream().get_stream(EVENTS).await.map_err(ReplayError::new)?;
        let info = stream.cached_info();
        let (first, last) = (info.state.first_sequence.max(1), info.state.last_sequence);
        Ok(EventsState { epoch: epoch(info), first, last })
    }

    /// Events after `after`, up to `until` and with it, of `topics` (of all,
    /// when there are none), in order.
    ///
    /// # Errors
    /// When NATS is away; nothing is left out in silence.
    pub async fn events_between(
        &self,
        after: u64,
        until: u64,
        topics: &[Topic],
    ) -> Result<Vec<Stored>, ReplayError> {
        self.events_page(after, until, topics, usize::MAX).await.map(|page| page.events)
    }

    /// The first `most` of those events.
    ///
    /// # Errors
    /// As [`Bus::events_between`].
    pub async fn events_page(
        &self,
        after: u64,
        until: u64,
        topics: &[Topic],
        most: usize,
    ) -> Result<Page, ReplayError> {
        if until <= after {
            return Ok(Page { events: Vec::new(), until });
        }
        let stream = self.jetstream().get_stream_no_info(EVENTS).await.map_err(ReplayError::new)?;
        let consumer =
            stream.create_consumer(config(after, topics)).await.map_err(ReplayError::new)?;
        let page = read(&consumer, until, most).await;
        let name = &consumer.cached_info().name;
        if let Err(error) = stream.delete_consumer(name).await {
            tracing::debug!(%error, "the server will forget the replay's consumer by itself");
        }
        page
    }
}

fn config(after: u64, topics: &[Topic]) -> pull::Config {
    let filters: Vec<String> = topics.iter().map(Topic::subject).collect();
    pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        ack_policy: AckPolicy::None,
        filter_subjects: if filters.is_empty() { vec![ALL_EVENTS.to_owned()] } else { filters },
        inactive_threshold: FORGOTTEN_AFTER,
        memory_storage: true,
        ..pull::Config::default()
    }
}

type Consumer = async_nats::jetstream::consumer::Consumer<pull::Config>;

async fn read(consumer: &Consumer, until: u64, most: usize) -> Result<Page, ReplayError> {
    let mut events = Vec::new();
    let mut pending = consumer.cached_info().num_pending;
    while pending > 0 {
        let page = consumer.fetch().max_messages(PAGE.min(most));
        let mut page = page.messages().await.map_err(ReplayError::new)?;
        let mut empty = true;
        while let Some(message) = page.next().await {
            let message = message.map_err(ReplayError::new)?;
            let info = message.info().map_err(ReplayError::new)?;
            (pending, empty) = (info.pending, false);
            if info.stream_sequence > until {
                return Ok(Page { events, until });
            }
            if let Some(topic) = Topic::from_event_subject(&message.subject) {
                let body = message.payload.clone();
                events.push(Stored { seq: info.stream_sequence, topic, body });
            }
            if events.len() == most {
                return Ok(Page { events, until: info.stream_sequence });
            }
        }
        if empty {
            return Err(ReplayError(format!("{pending} events did not come")));
        }
    }
    Ok(Page { events, until })
}
