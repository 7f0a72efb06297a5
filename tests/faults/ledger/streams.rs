//! What the streams hold, asked of NATS itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context, stream::Stream};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use support::site::Site;

/// NATS is asked for no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
const PAGE: usize = 500;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Everything that the ledger compares.
#[derive(Default)]
pub struct Streams {
    /// Bodies of the messages that are left in JOBS.
    pub jobs: Vec<String>,
    /// Ids of the events that say that a comment is public, by comment.
    pub approved: HashMap<String, HashSet<String>>,
    /// Ids of the events that say that an image is ready, by image.
    pub ready: HashMap<String, HashSet<String>>,
    /// Events that are stored more than once under one id.
    pub repeated: usize,
    /// Messages in DEAD.
    pub dead: usize,
}

impl Streams {
    /// Reads all of it.
    pub async fn read(site: &Site) -> Result<Self, Problem> {
        tokio::time::timeout(PATIENCE * 4, Self::read_all(&connect(site).await?)).await?
    }

    async fn read_all(context: &Context) -> Result<Self, Problem> {
        let mut streams = Self {
            jobs: left(&context.get_stream("JOBS").await?).await?,
            dead: context.get_stream("DEAD").await?.cached_info().state.messages as usize,
            ..Self::default()
        };
        let mut seen = HashSet::new();
        let events = context.get_stream("EVENTS").await?;
        for body in bodies(&events, &["events.comments.>", "events.images.>"]).await? {
            let event: Value = serde_json::from_str(&body)?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (id, about) = (text(&event["id"]), text(&event["payload"]["id"]));
            streams.repeated += usize::from(!seen.insert(id.clone()));
            match event["kind"].as_str() {
                Some("comment.approved") => streams.approved.entry(about).or_default().insert(id),
                Some("image.ready") => streams.ready.entry(about).or_default().insert(id),
                _ => false,
            };
        }
        Ok(streams)
    }
}

/// Whether JOBS holds nothing.
pub async fn is_empty(site: &Site) -> Result<bool, Problem> {
    let look = async {
        let context = connect(site).await?;
        let jobs = context.get_stream("JOBS").await?;
        Ok(jobs.cached_info().state.messages == 0)
    };
    tokio::time::timeout(PATIENCE, look).await?
}

/// A connection to the site's NATS.
pub async fn connect(site: &Site) -> Result<Context, Problem> {
    let url = site.json()["nats_url"].as_str().unwrap_or_default().to_owned();
    let client = tokio::time::timeout(PATIENCE, async_nats::connect(url)).await??;
    Ok(jetstream::new(client))
}

/// The messages of a work queue, read beside its consumers.
async fn left(stream: &Stream) -> Result<Vec<String>, Problem> {
    let state = &stream.cached_info().state;
    let mut found = Vec::new();
    if state.messages == 0 {
        return Ok(found);
    }
    for seq in state.first_sequence..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(seq).await {
            found.push(String::from_utf8_lossy(&message.payload).into_owned());
        }
    }
    Ok(found)
}

/// The bodies of a stream's messages of these subjects, in order.
async fn bodies(stream: &Stream, subjects: &[&str]) -> Result<Vec<String>, Problem> {
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        filter_subjects: subjects.iter().map(|it| (*it).to_owned()).collect(),
        memory_storage: true,
        inactive_threshold: PATIENCE * 4,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let mut pending = consumer.cached_info().num_pending as usize;
    let mut found = Vec::with_capacity(pending);
    while pending > 0 {
        let page = consumer.fetch().max_messages(PAGE).messages().await?;
        let page: Vec<_> = page.map_ok(|it| it.payload.clone()).try_collect().await?;
        if page.is_empty() {
            return Err(format!("{pending} messages did not come").into());
        }
        pending = pending.saturating_sub(page.len());
        found.extend(page.iter().map(|body| String::from_utf8_lossy(body).into_owned()));
    }
    Ok(found)
}
