//! A client of `/events`.

use std::time::Duration;

use axum::http::Method;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::client::Client;

/// One event as the client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub topic: String,
    pub data: Value,
}

/// An open stream of events.
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
    /// The newest id, for a resume.
    pub last_id: String,
}

impl Events {
    /// Opens the stream; the first frame (the place) is read before it
    /// returns, so that nothing sent from now on is missed.
    pub async fn open(client: &Client, query: &str, last_id: Option<&str>) -> Self {
        let client = match last_id {
            Some(id) => client.with("last-event-id", id),
            None => client.clone(),
        };
        let answer = client.try_send(Method::GET, &format!("/events?{query}"), None).await;
        let answer = answer.expect("the site answers");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let mut events =
            Self { body: answer.into_body(), buffer: BytesMut::new(), last_id: String::new() };
        let hello = events.block().await.expect("the stream begins");
        events.note_id(&hello);
        events
    }

    /// The next event; panics when none comes within ten seconds.
    pub async fn next(&mut self) -> Event {
        let limit = Duration::from_secs(10);
        let event = tokio::time::timeout(limit, self.next_or_end()).await;
        event.expect("an event comes within 10 s").expect("the stream is open")
    }

    /// The next event, or `None` when the stream ends.
    pub async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            self.note_id(&block);
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            if let (Some(topic), Some(data)) = (field("event"), field("data")) {
                let data = serde_json::from_str(data).expect("data is JSON");
                return Some(Event { id: self.last_id.clone(), topic: topic.to_owned(), data });
            }
        }
    }

    fn note_id(&mut self, block: &str) {
        if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
            id.clone_into(&mut self.last_id);
        }
    }

    /// Lines up to an empty one.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block = self.buffer.split_to(end + 2);
                return Some(String::from_utf8_lossy(&block).into_owned());
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}
