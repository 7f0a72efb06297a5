//! A contestant's servers while they run.

use std::net::SocketAddr;

use support::crowd::AT_ONCE;

use super::crowd::Request;

/// Posts of which a client watches one: topics that differ.
pub const ROOMS: usize = 20;

/// Servers that clients watch.
pub trait Ground {
    /// Where clients connect.
    fn address(&self) -> SocketAddr;

    /// What a client of a room asks for: its comments, its counter, and what
    /// all watch.
    fn path(&self, room: usize) -> String;

    /// Sends an event with this mark to all in a room; they hear it soon.
    ///
    /// # Errors
    /// When the server does not take it.
    fn publish(&mut self, room: usize) -> Result<(), String>;

    /// The processes that hold the connections.
    fn serving(&self) -> Vec<u32>;

    /// Other processes that an event goes through.
    fn beside(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Whether a client that comes back is told what it missed.
    fn replays(&self) -> bool;

    /// How many clients it lets in at once.
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    /// What a client posts once it is connected, where it must.
    fn subscribe(&self) -> Option<(String, Vec<String>)> {
        None
    }

    /// The request of clients of so many rooms.
    fn request(&self, rooms: usize) -> Request {
        Request {
            address: self.address(),
            paths: (0..rooms).map(|room| self.path(room)).collect(),
            last_id: None,
            at_once: self.at_once(),
            subscribe: self.subscribe(),
        }
    }
}
