//! `GET /events`: many topics on one connection.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use shared::db::posts;
use shared::db::users::User;
use shared::shutdown::Shutdown;
use shared::subject::Topic;

use super::client::{Client, Resume};
use super::policy::{Audience, policy};
use super::{Cursor, Hub, Watching, presence};
use crate::auth::MaybeAdmin;
use crate::error::{Error, Result};
use crate::state::AppState;

/// Topics of one connection at most.
const TOPICS: usize = 64;
/// A silent connection is told from a dead one by a comment line so often.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// The client's pause before it reconnects.
const RETRY: Duration = Duration::from_secs(1);
/// At shutdown each client is given a pause of its own up to this, so that
/// they do not all come back at once.
const RETRY_SPREAD: Duration = Duration::from_secs(3);

/// Answers with an endless stream of events.
///
/// # Errors
/// When a topic is unknown, refused, or there are none or too many; when the
/// cursor is none.
pub async fn events(
    State(state): State<AppState>,
    MaybeAdmin(user): MaybeAdmin,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default(), &headers)?;
    for topic in &asked.topics {
        authorise(topic, user.as_ref())?;
    }
    let hub = &state.hub;
    let watching = match presence::read(&asked.topics) {
        Some(posts) => Some(hub.watching(posts::published(&state.data, posts).await?)),
        None => None,
    };
    let stream = frames(hub.clone(), asked, watching);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// What a client asks for.
struct Asked {
    topics: Vec<Topic>,
    resume: Resume,
}

impl Asked {
    fn parse(query: &str, headers: &HeaderMap) -> Result<Self> {
        let mut topics = Vec::new();
        let mut since = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "topic" => topics.push(value.parse().map_err(Error::bad_request)?),
                "since" => since = Some(value.into_owned()),
                _ => {}
            }
        }
        topics.sort_unstable();
        topics.dedup();
        if topics.is_empty() || topics.len() > TOPICS {
            let got = topics.len();
            return Err(Error::bad_request(format!(
                "name 1 to {TOPICS} topics, such as /events?topic=comments.hello; got {got}"
            )));
        }
        Ok(Self { topics, resume: resume(headers, since)? })
    }
}

/// A reconnecting browser's own word goes before the page's.
fn resume(headers: &HeaderMap, since: Option<String>) -> Result<Resume> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match last.filter(|id| !id.is_empty()).or(since.as_deref()) {
        // A page that was rendered before NATS was reached.
        Some("") => Ok(Resume::After(Cursor::nowhere())),
        Some(cursor) => Ok(Resume::After(cursor.parse().map_err(Error::bad_request)?)),
        None => Ok(Resume::Now),
    }
}

fn authorise(topic: &Topic, user: Option<&User>) -> Result<()> {
    let Some((_, audience)) = policy(topic) else {
        return Err(Error::bad_request(format!("there is no topic {topic}")));
    };
    match (audience, user) {
        (Audience::Public, _) | (Audience::Admin, Some(_)) => Ok(()),
        (Audience::User(id), Some(user)) if user.id == id => Ok(()),
        (_, None) => Err(Error::Unauthorised),
        (_, Some(_)) => Err(Error::Forbidden),
    }
}

/// The frames of one client, until it leaves or the process stops.
fn frames(
    hub: Hub,
    asked: Asked,
    watching: Option<Watching>,
) -> impl Stream<Item = std::result::Result<Bytes, Infallible>> {
    let shutdown = hub.shutdown.clone();
    let begin = Step::Begin { hub, asked, watching, shutdown };
    futures_util::stream::unfold(
        begin,
        |step| async move { step.next().await.map(|(b, s)| (Ok(b), s)) },
    )
}

enum Step {
    Begin { hub: Hub, asked: Asked, watching: Option<Watching>, shutdown: Shutdown },
    Live { client: Client, watching: Option<Watching>, shutdown: Shutdown },
    End,
}

impl Step {
    async fn next(self) -> Option<(Bytes, Self)> {
        match self {
            Self::Begin { hub, asked, watching, shutdown } => {
                let client = tokio::select! {
                    client = hub.watch(asked.topics, asked.resume) => client,
                    () = shutdown.cancelled() => return Some((goodbye(), Self::End)),
                };
                let hello = hello(&client);
                Some((hello, Self::Live { client, watching, shutdown }))
            }
            Self::Live { mut client, watching, shutdown } => {
                let bytes = tokio::select! {
                    biased;
                    frames = client.next() => frames,
                    () = shutdown.cancelled() => return Some((goodbye(), Self::End)),
                    () = tokio::time::sleep(HEARTBEAT) => Bytes::from_static(b":\n\n"),
                };
                Some((bytes, Self::Live { client, watching, shutdown }))
            }
            Self::End => None,
        }
    }
}

/// The pause for reconnects, and the place that the client begins at, so that
/// it can resume even before its first event.
fn hello(client: &Client) -> Bytes {
    format!("retry: {}\nid: {}\n\n", RETRY.as_millis(), client.cursor()).into()
}

fn goodbye() -> Bytes {
    let mut random = [0];
    // Without randomness the clients only come back closer together.
    let _ = getrandom::fill(&mut random);
    let spread = RETRY_SPREAD.mul_f64(f64::from(random[0]) / 255.0);
    format!("retry: {}\n\n", (RETRY + spread).as_millis()).into()
}
