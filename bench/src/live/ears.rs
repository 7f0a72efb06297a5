//! What clients hear, and what they say once they are connected.

use serde_json::json;
use support::crowd::{Block, Listener, SOURCES};

use super::crowd::Request;
use super::mark::Mark;
use super::post::Poster;
use super::tally::Tally;
use crate::program::now;

/// What the clients hear.
pub struct Ears {
    pub tally: Tally,
    subscribe: Option<Subscribe>,
    /// Why a client could not say what it wants.
    pub complaint: Option<String>,
}

/// How clients say what they want.
struct Subscribe {
    /// One for each address that clients come from.
    posters: Vec<Poster>,
    path: String,
    topics: Vec<String>,
    count: usize,
}

impl Ears {
    /// Ears of clients with that request.
    ///
    /// # Errors
    /// When nobody listens where they post.
    pub fn new(request: &Request) -> Result<Self, String> {
        let subscribe = request.subscribe.clone().map(|(path, topics)| {
            let posters = (0..SOURCES).map(|client| Poster::connect_as(client, request.address));
            posters.collect::<Result<_, _>>().map(|posters| Subscribe {
                posters,
                path,
                topics,
                count: 0,
            })
        });
        Ok(Self { tally: Tally::new(), subscribe: subscribe.transpose()?, complaint: None })
    }

    /// How many of those who are connected have said what they want.
    pub fn in_place(&self, open: usize) -> usize {
        self.subscribe.as_ref().map_or(open, |subscribe| subscribe.count)
    }
}

impl Subscribe {
    fn client(&mut self, client: usize, data: &str) -> Result<(), String> {
        let hello: serde_json::Value = serde_json::from_str(data).map_err(|e| e.to_string())?;
        let body = json!({"clientId": hello["clientId"], "subscriptions": self.topics});
        let poster = &mut self.posters[client % SOURCES];
        poster.post(&self.path, "application/json", &body.to_string())?;
        self.count += 1;
        Ok(())
    }
}

impl Listener for Ears {
    fn heard(&mut self, client: usize, block: &Block<'_>) {
        let Some(data) = block.data else { return };
        if let Some(mark) = Mark::find(data) {
            self.tally.hear(client, mark, now());
        } else if let Some(subscribe) =
            self.subscribe.as_mut().filter(|_| data.contains("clientId"))
            && let Err(why) = subscribe.client(client, data)
        {
            self.complaint = Some(why);
        }
    }
}
