//! The SSE handler that axum's manual shows: `axum::serve`, a broadcast channel a
//! topic. It is the origin of Pushpin too, which it tells to hold.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{SelectAll, Stream, StreamExt as _, unfold};
use stack::TempDir;
use stack::ports::Port;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::ground::Ground;
use super::mark::Mark;
use super::post::Poster;
use crate::setup::{Server, this_program};

/// Events that a slow client may be behind.
const BEHIND: usize = 128;

/// The process of it.
#[derive(clap::Args)]
pub struct Process {
    /// Where it listens
    address: SocketAddr,
}

type Topics = Arc<Mutex<HashMap<String, Sender<Arc<str>>>>>;

impl Process {
    /// Serves until it is killed.
    pub async fn run(self) {
        let router = Router::new()
            .route("/events", get(events))
            .route("/hold", get(hold))
            .route("/publish/{topic}", post(publish))
            .with_state(Topics::default());
        let listener = tokio::net::TcpListener::bind(self.address).await.expect("a free port");
        axum::serve(listener, router).await.expect("it serves");
    }
}

fn topics(query: Option<String>) -> Vec<String> {
    let query = query.unwrap_or_default();
    query.split('&').filter_map(|pair| pair.strip_prefix("topic=")).map(str::to_owned).collect()
}

fn sender(all: &Topics, topic: String) -> Sender<Arc<str>> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(topic).or_insert_with(|| broadcast::channel(BEHIND).0).clone()
}

async fn events(State(all): State<Topics>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let streams = topics(query).into_iter().map(|topic| heard(sender(&all, topic).subscribe()));
    let streams: SelectAll<_> = streams.map(Box::pin).collect();
    let hello = futures_util::stream::iter([Ok(Event::default().comment("hi"))]);
    Sse::new(hello.chain(streams)).keep_alive(KeepAlive::default())
}

fn heard(receiver: Receiver<Arc<str>>) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(receiver, async |mut receiver| {
        let text = receiver.recv().await.ok()?;
        Some((Ok(Event::default().data(&*text)), receiver))
    })
}

async fn publish(State(all): State<Topics>, Path(topic): Path<String>, text: String) -> StatusCode {
    // Nobody may be there to hear it.
    let _heard = sender(&all, topic).send(text.into());
    StatusCode::NO_CONTENT
}

/// What Pushpin keeps of the answer, it tells its clients by itself.
async fn hold(RawQuery(query): RawQuery) -> Response {
    let channels = topics(query).join(", ");
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::HeaderName::from_static("grip-hold"), "stream"),
        (header::HeaderName::from_static("grip-channel"), channels.as_str()),
    ];
    (headers, "retry: 1000\n\n").into_response()
}

/// A running one.
pub struct Stock {
    server: Server,
    port: Port,
    poster: Poster,
    sent: u32,
    _dir: TempDir,
}

impl Stock {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = Port::take().map_err(|error| error.to_string())?;
        let mut command = this_program();
        command.arg("stock").arg(port.address().to_string());
        let log = dir.path().join("out.log");
        let mut server = Server::start(&mut command, &log)?;
        server.wait(&log, || Poster::connect(port.address()).is_ok())?;
        let poster = Poster::connect(port.address())?;
        Ok(Self { server, port, poster, sent: 0, _dir: dir })
    }
}

impl Ground for Stock {
    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn path(&self, room: usize) -> String {
        format!("/events?topic=comments-{room}&topic=views-{room}&topic=live")
    }

    fn publish(&mut self, room: usize) -> Result<(), String> {
        self.sent += 1;
        let text = Mark::now(self.sent).long_text();
        self.poster.post(&format!("/publish/comments-{room}"), "text/plain", &text)
    }

    fn serving(&self) -> Vec<u32> {
        vec![self.server.pid()]
    }

    fn replays(&self) -> bool {
        false
    }
}
