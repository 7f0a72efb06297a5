//! `GET /events`: many topics on one connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use shared::db::posts;
use shared::db::users::User;
use shared::subject::Topic;

use super::policy::{Audience, is_of_results, policy};
use super::{Counted, Cursor, Mode, Resume, Watch, presence, random_part};
use crate::auth::MaybeAdmin;
use crate::error::{Error, Result};
use crate::routes::queues;
use crate::state::AppState;
use crate::visitor::{self, Peer};

/// Topics of one connection at most.
const TOPICS: usize = 64;
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];
/// The pause of a client for which there is no place, and as much again at
/// random.
const FULL: Duration = Duration::from_secs(30);
/// A client that polls is kept waiting so many seconds at most.
const WAIT_MAX: u64 = 30;
/// What lies behind is looked for at least so long.
const LOOK: Duration = Duration::from_millis(250);

/// The mark of an answer without an end: the server is to hand the socket over
/// to the hub.
#[derive(Clone)]
pub struct TakeOver(Arc<Mutex<Option<Watch>>>);

impl TakeOver {
    fn new(watch: Watch) -> Self {
        Self(Arc::new(Mutex::new(Some(watch))))
    }

    /// What is watched; none for who asks twice.
    #[must_use]
    pub fn take(&self) -> Option<Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers with an endless stream of events; with `wait=`, for clients that no
/// stream reaches, with the first that come within so many seconds.
///
/// # Errors
/// When a topic is unknown, refused, or there are none or too many; when the
/// cursor or the wait is none.
pub async fn events(
    State(state): State<AppState>,
    MaybeAdmin(user): MaybeAdmin,
    peer: Peer,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default(), &headers)?;
    for topic in &asked.topics {
        authorise(&state, topic, user.as_ref()).await?;
    }
    let Asked { topics, resume, mode } = asked;
    let trusted = &state.config.trusted_proxies;
    let address = visitor::client_address(&headers, peer, trusted);
    let limited = user.is_none() && !trusted.iter().any(|network| network.contains(&address));
    let Some(place) = state.live.enter(limited.then_some(address)) else {
        return Ok(later(FULL + random_part(FULL)));
    };
    let reading = match presence::read(&topics) {
        Some(posts) => Some(state.hub.watching(posts::published(&state.data, posts).await?)),
        None => None,
    };
    let counted = Counted { reading, place };
    let watch = Watch { topics, resume, mode, counted };
    Ok((HEADERS, Extension(TakeOver::new(watch))).into_response())
}

/// Sends a client away for a time. With any other status than 200 a browser
/// would not come back at all.
#[must_use]
pub fn later(pause: Duration) -> Response {
    let body = format!("retry: {}\n\n", pause.as_millis());
    (HEADERS, [(header::CONNECTION, "close")], body).into_response()
}

/// What a client asks for.
struct Asked {
    topics: Vec<Topic>,
    resume: Resume,
    mode: Mode,
}

impl Asked {
    fn parse(query: &str, headers: &HeaderMap) -> Result<Self> {
        let mut topics = Vec::new();
        let (mut since, mut mode) = (None, Mode::Stream);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "topic" => topics.push(value.parse().map_err(Error::bad_request)?),
                "since" => since = Some(value.into_owned()),
                "wait" => mode = Mode::Poll(seconds(&value)?.max(LOOK)),
                "hello" if mode == Mode::Stream => mode = Mode::Greeted,
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
        Ok(Self { topics, resume: resume(headers, since)?, mode })
    }
}

fn seconds(wait: &str) -> Result<Duration> {
    let seconds = wait.parse().ok().filter(|seconds| *seconds <= WAIT_MAX);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        Error::bad_request(format!("wait takes 0 to {WAIT_MAX} seconds, such as 20; got {wait:?}"))
    })
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

async fn authorise(state: &AppState, topic: &Topic, user: Option<&User>) -> Result<()> {
    let audience = match policy(topic) {
        Some((_, audience)) => audience,
        None if user.is_some() && is_of_results(topic, &queues::read(state).await?) => {
            Audience::Admin
        }
        None => return Err(Error::bad_request(format!("there is no topic {topic}"))),
    };
    match (audience, user) {
        (Audience::Public, _) | (Audience::Admin, Some(_)) => Ok(()),
        (Audience::User(id), Some(user)) if user.id == id => Ok(()),
        (_, None) => Err(Error::Unauthorised),
        (_, Some(_)) => Err(Error::Forbidden),
    }
}
