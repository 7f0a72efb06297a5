//! Asks a source whether it has changed, and sends on what has.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::db::sources::{Said, State};
use shared::db::{Data, Tx, alerts, outbox, sources};
use shared::envelope::Envelope;
use shared::error::chain;
use shared::events::AlertLevel;
use shared::jobs::blogroll::FeedChanged;
use shared::jobs::enqueue::Enqueue;
use shared::jobs::gateway::{PollSource, SourceChanged};
use shared::sources::{Source, Sources};
use shared::time::Instant;
use uuid::Uuid;

use crate::gateway::feed;
use crate::gateway::http::{self, Answer, Content, FetchError};
use crate::gateway::schedule::Live;
use crate::gateway::turns::Turns;
use crate::registry::{Failure, Outcome, Registry, RegistryError};

/// What a poll takes beside its request: waiting for its turn, and for the
/// database.
const SLACK: Duration = Duration::from_secs(5);

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry, data: Data, live: Live) -> Result<(), RegistryError> {
    registry.effect::<PollSource, _>(move |job| {
        let sources = Arc::clone(&live.borrow());
        poll(data.clone(), sources, job)
    })
}

/// One poll under way.
struct Poll<'a> {
    data: &'a Data,
    source: &'a Source,
    /// What was known when it began.
    before: State,
    is_scheduled: bool,
    asked_at: Instant,
    job: Uuid,
}

async fn poll(
    data: Data,
    sources: Arc<Sources>,
    job: Envelope<PollSource>,
) -> Result<Outcome, Failure> {
    let PollSource { source: name, turn } = job.payload;
    let Some(source) = sources.sources.get(&name) else {
        return Ok(unknown(&name, turn));
    };
    let within = source.timeout + SLACK;
    let Some(before) = sources::begin(&data, name.clone(), turn, within).await? else {
        return Ok(unknown(&name, turn));
    };
    if before.url != source.url.as_str() {
        return Ok(Outcome::Done);
    }
    let (is_scheduled, asked_at) = (turn.is_some(), Instant::now());
    let poll = Poll { data: &data, source, before, is_scheduled, asked_at, job: job.id };
    let turns = Turns { data: &data, gap: sources.host_gap };
    match http::fetch(source, &poll.before.validators, &turns).await {
        Ok(answer) => match poll.news(answer) {
            Ok(news) => poll.settle(news).await,
            Err(why) => poll.fail(why, false, None).await,
        },
        Err(FetchError::Busy(wait)) => poll.put_off(wait).await,
        Err(error) => {
            let (why, is_transient) = (chain(&error), error.is_transient());
            let hold = if let FetchError::Status { hold, .. } = error { hold } else { None };
            poll.fail(why, is_transient, hold).await
        }
    }
}

/// A scheduled poll of a source that is gone, or was polled since, is over.
fn unknown(name: &str, turn: Option<i64>) -> Outcome {
    match turn {
        Some(_) => Outcome::Done,
        None => Outcome::Discard(format!("there is no source {name:?}")),
    }
}

/// What an answer comes to.
struct News {
    said: Said,
    next: Option<Next>,
}

/// The job that takes it on.
enum Next {
    Blogroll(FeedChanged),
    Queue(String, SourceChanged),
}

impl Poll<'_> {
    fn news(&self, answer: Answer) -> Result<News, String> {
        let content = match answer {
            Answer::Same => return Ok(News { said: Said::Same, next: None }),
            Answer::Content(content) => content,
        };
        let validators = content.validators.clone();
        let (fingerprint, next) = match &self.source.to {
            None => self.feed(&content)?,
            Some(queue) => self.body(queue.clone(), content)?,
        };
        if self.before.fingerprint.as_ref() == Some(&fingerprint) {
            return Ok(News { said: Said::SameAnew(validators), next: None });
        }
        Ok(News { said: Said::New(validators, fingerprint), next: Some(next) })
    }

    fn feed(&self, content: &Content) -> Result<(String, Next), String> {
        let feed = feed::read(&content.body, &content.url)?;
        let title = self.source.title.clone().unwrap_or(feed.title);
        let source = self.before.name.clone();
        let changed = FeedChanged { source, title, asked_at: self.asked_at, entries: feed.entries };
        let told = serde_json::to_vec(&(&changed.title, &changed.entries));
        let told = told.map_err(|error| error.to_string())?;
        Ok((fingerprint(&told), Next::Blogroll(changed)))
    }

    fn body(&self, queue: String, content: Content) -> Result<(String, Next), String> {
        let Content { url, media_type, body, .. } = content;
        let text = std::str::from_utf8(&body).map_err(|_| "the answer is no text".to_owned())?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let source = self.before.name.clone();
        let asked_at = self.asked_at;
        let changed = SourceChanged { source, url, media_type, asked_at, body: value };
        Ok((fingerprint(&body), Next::Queue(queue, changed)))
    }

    /// Writes down what came of it and sends on what is new, in one
    /// transaction; nothing, when another poll began meanwhile.
    async fn settle(self, news: News) -> Result<Outcome, Failure> {
        let (before, job, at) = (self.before, self.job, self.asked_at);
        let write = move |tx: &Tx<'_>| {
            if sources::answered(tx, &before, at, &news.said)?
                && let Some(next) = news.next
            {
                send(tx, next, job)?;
            }
            Ok::<(), shared::db::Error>(())
        };
        self.data.writer().write(write).await?;
        Ok(Outcome::Done)
    }

    /// Tries again as its queue says, until the source is to be left alone; no
    /// job dies of a source that is away.
    async fn fail(
        self,
        why: String,
        is_transient: bool,
        hold: Option<(String, Duration)>,
    ) -> Result<Outcome, Failure> {
        let failures = self.before.failures.saturating_add(1);
        let rest = self.source.rest(failures);
        let opens = (failures == self.source.failures).then_some(rest).flatten();
        let (before, job, at, told) = (self.before, self.job, self.asked_at, why.clone());
        tracing::info!(source = before.name, failures, why, "a source failed");
        let name = before.name.clone();
        let write = move |tx: &Tx<'_>| {
            if let Some((host, pause)) = hold {
                sources::hold_host(tx, &host, pause)?;
            }
            if sources::failed(tx, &before, at, &told, rest)?
                && let Some(rest) = opens
            {
                let text = left_alone(&before.name, failures, rest, &told);
                alerts::raise(tx, AlertLevel::Warnings, &text, job)?;
            }
            Ok::<(), shared::db::Error>(())
        };
        self.data.writer().write(write).await?;
        if rest.is_some() || !is_transient {
            return Ok(Outcome::Done);
        }
        Err(Failure::new(format!("the source {name} failed: {why}")))
    }

    /// Comes again when the host may be asked.
    async fn put_off(self, wait: Duration) -> Result<Outcome, Failure> {
        if !self.is_scheduled {
            return Ok(Outcome::Snooze(wait));
        }
        sources::postpone(self.data, self.before, wait).await?;
        Ok(Outcome::Done)
    }
}

fn left_alone(name: &str, failures: u32, rest: Duration, why: &str) -> String {
    let times = if failures == 1 { "failure" } else { "failures in a row" };
    format!("the source {name} is left alone for {rest:?} after {failures} {times}: {why}")
}

fn send(tx: &Tx<'_>, next: Next, cause: Uuid) -> Result<(), shared::db::Error> {
    match next {
        Next::Blogroll(changed) => outbox::job(tx, changed, cause)?,
        Next::Queue(queue, changed) => {
            let job = Enqueue::of(queue, SourceChanged::KIND, cause, changed);
            outbox::enqueue(tx, job)?
        }
    };
    Ok(())
}

fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
