//! `GET /events`: many topics on one connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRef, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, middleware};
use shared::subject::Topic;

use super::policy::authorise;
use super::{Counted, Cursor, Live, Mode, Resume, Watch, cors, presence, random_part};
use crate::auth::desk::{Desk, Viewer};
use crate::auth::proof::Proof;
use crate::config::Rules;
use crate::error::{Error, Result};
use crate::visitor::{self, Peer};

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];
/// The pause of a client for which there is no place, and as much again at
/// random.
const FULL: Duration = Duration::from_secs(30);
/// The pause of a client of which nobody can say just now who it is, and as
/// much again at random.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Characters of a topic that a refusal shows.
const SHOWN: usize = 40;
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

/// `/events`, for a site and for a live edge.
pub fn route<S>(live: &Live) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Live: FromRef<S>,
{
    let allow = middleware::from_fn_with_state(live.clone(), cors::allow);
    get(events).options(cors::preflight).layer(allow)
}

/// Answers with an endless stream of events; with `wait=`, for clients that no
/// stream reaches, with the first that come within so many seconds.
///
/// # Errors
/// When a topic is unknown, refused, or there are none or too many; when the
/// cursor or the wait is none.
async fn events(
    State(live): State<Live>,
    peer: Peer,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let query = query.as_deref().unwrap_or_default();
    let Asked { topics, resume, mode, token } = Asked::parse(query, &headers, &live.rules)?;
    let known_at = live.hub.newest();
    let viewer = match viewer(&live.desk, &headers, token).await {
        Err(Error::Unavailable(_)) => return Ok(later(UNKNOWN + random_part(UNKNOWN))),
        known => known?,
    };
    for topic in &topics {
        authorise(&live.desk, topic, &viewer).await?;
    }
    let address = visitor::client_address(&headers, peer, &live.trusted);
    let Some(place) = live.enter(&viewer, address) else {
        return Ok(later(FULL + random_part(FULL)));
    };
    let reading = presence::read(&topics).map(|posts| live.hub.watching(posts));
    let counted = Counted { reading, place };
    let watch = Watch { topics, resume, known_at, mode, counted };
    Ok((HEADERS, Extension(TakeOver::new(watch))).into_response())
}

/// Who asks. A token in the address is for programs that cannot send headers,
/// as a browser's `EventSource` cannot; the admin's would end up in the logs
/// of proxies.
async fn viewer(desk: &Desk, headers: &HeaderMap, token: Option<String>) -> Result<Viewer> {
    let Some(token) = token else {
        return desk.viewer(Proof::of(headers)?).await;
    };
    match desk.viewer(Some(Proof::token(&token))).await? {
        Viewer::Token(patterns) => Ok(Viewer::Token(patterns)),
        _ => Err(Error::bad_request(
            "?token= takes a token that may only watch, as `web admin token --watch` makes it; \
             send this one as `Authorization: Bearer …`",
        )),
    }
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
    token: Option<String>,
}

impl Asked {
    fn parse(query: &str, headers: &HeaderMap, rules: &Rules) -> Result<Self> {
        let mut topics = Vec::new();
        let (mut since, mut token, mut mode) = (None, None, Mode::Stream);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "topic" => topics.push(topic(&value, rules.topic_bytes)?),
                "since" => since = Some(value.into_owned()),
                "token" => token = Some(value.into_owned()),
                "wait" => mode = Mode::Poll(seconds(&value)?.max(LOOK)),
                "hello" if mode == Mode::Stream => mode = Mode::Greeted,
                _ => {}
            }
        }
        topics.sort_unstable();
        topics.dedup();
        let (got, most) = (topics.len(), rules.topics);
        if !(1..=most).contains(&got) {
            return Err(Error::bad_request(format!(
                "name 1 to {most} topics, such as /events?topic=comments.hello; got {got}"
            )));
        }
        Ok(Self { topics, resume: resume(headers, since)?, mode, token })
    }
}

fn topic(text: &str, most: usize) -> Result<Topic> {
    if text.len() > most {
        let (got, begin) = (text.len(), text.chars().take(SHOWN).collect::<String>());
        return Err(Error::bad_request(format!(
            "a topic takes {most} bytes at most; got {got}, which begin with {begin:?}"
        )));
    }
    text.parse().map_err(Error::bad_request)
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
