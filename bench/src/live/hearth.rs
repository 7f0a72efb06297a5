//! Hearth: a whole site. Events are sent as the worker's relay sends them: with a
//! receipt, once they are on the disk.

use std::net::SocketAddr;

use serde_json::json;
use shared::bus::{Bus, Message};
use shared::envelope::{Envelope, Untyped};
use shared::events::Event;
use shared::subject::Topic;
use support::site::Site;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::ground::{Ground, ROOMS};
use super::mark::Mark;

/// A site with a post for each room.
pub struct Hearth {
    pub site: Site,
    slugs: Vec<String>,
    runtime: Runtime,
    bus: Bus,
    sent: u32,
}

impl Hearth {
    /// Starts it.
    ///
    /// # Errors
    /// When NATS cannot be reached.
    pub fn start() -> Result<Self, String> {
        let variables = [("TRUSTED_PROXIES", "127.0.0.0/8"), ("COMMENTS_MODERATION", "none")];
        let site = Site::start(&variables);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let url = site.json()["nats_url"].as_str().and_then(|url| url.parse().ok());
        let url = url.ok_or("site.json names no NATS")?;
        let bus = runtime.block_on(Bus::connect(&url, "bench"));
        let bus = bus.map_err(|error| error.to_string())?;
        let slugs = runtime.block_on(async {
            let mut slugs = Vec::new();
            for _ in 0..ROOMS {
                slugs.push(site.post("room").await);
            }
            slugs
        });
        Ok(Self { site, slugs, runtime, bus, sent: 0 })
    }

    /// The page of a room's post.
    pub fn page(&self, room: usize) -> String {
        format!("/posts/{}", self.slugs[room])
    }

    fn pid(&self, name: &str) -> Vec<u32> {
        self.site.pid(name).and_then(|pid| u32::try_from(pid).ok()).into_iter().collect()
    }
}

impl Ground for Hearth {
    fn address(&self) -> SocketAddr {
        let url = self.site.json()["url"].as_str().unwrap_or_default().to_owned();
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        address.parse().expect("the site is at an address")
    }

    fn path(&self, room: usize) -> String {
        let slug = &self.slugs[room];
        format!("/events?topic=comments.{slug}&topic=metrics.views.{slug}&topic=metrics.live")
    }

    fn publish(&mut self, room: usize) -> Result<(), String> {
        self.sent += 1;
        let payload = json!({"text": Mark::now(self.sent).text()});
        let payload = Untyped::of(&payload);
        let envelope = Envelope::new("comment.approved", 1, Uuid::now_v7(), payload);
        let event = Event { topic: Topic::comments(&self.slugs[room]), envelope };
        let stored = self.runtime.block_on(self.bus.publish(&Message::from(event)));
        stored.map_err(|error| error.to_string())
    }

    fn serving(&self) -> Vec<u32> {
        self.pid("web")
    }

    fn beside(&self) -> Vec<u32> {
        self.pid("nats")
    }

    fn replays(&self) -> bool {
        true
    }
}
