//! Who takes part.

use std::cell::OnceCell;
use std::path::PathBuf;

use super::ground::Ground;
use super::hearth::Hearth;
use super::nchan::{Nchan, Nginx};
use super::pocketbase::{self, PocketBase};
use super::pushpin::{Programs, Pushpin};
use super::stock::Stock;

/// One of those that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    Hearth,
    /// With so many workers.
    Nchan(usize),
    Pushpin,
    PocketBase,
    Axum,
}

impl Contestant {
    pub const ALL: [Self; 6] =
        [Self::Hearth, Self::Nchan(1), Self::Nchan(2), Self::Pushpin, Self::PocketBase, Self::Axum];

    /// The name that `--only` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hearth => "hearth",
            Self::Nchan(1) => "nchan-1",
            Self::Nchan(_) => "nchan-2",
            Self::Pushpin => "pushpin",
            Self::PocketBase => "pocketbase",
            Self::Axum => "axum",
        }
    }

    /// What is on the disk when a client hears of it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Hearth => "each event synced to the disk in NATS before anybody hears it",
            Self::Nchan(1) => "1 worker, 128 events a channel in memory",
            Self::Nchan(_) => "2 workers, 128 events a channel in memory",
            Self::Pushpin => "nothing kept",
            Self::PocketBase => "each event a row in SQLite, synced at checkpoints",
            Self::Axum => "a broadcast channel a topic, nothing kept",
        }
    }

    /// Starts its servers, empty.
    ///
    /// # Errors
    /// Why they do not start, or cannot be installed.
    pub fn start(self, peers: &Peers) -> Result<Box<dyn Ground>, String> {
        Ok(match self {
            Self::Hearth => Box::new(Hearth::start()?),
            Self::Nchan(workers) => Box::new(Nchan::start(&peers.nginx()?, workers)?),
            Self::Pushpin => Box::new(Pushpin::start(&peers.pushpin()?)?),
            Self::PocketBase => Box::new(PocketBase::start(&peers.pocketbase()?)?),
            Self::Axum => Box::new(Stock::start()?),
        })
    }
}

/// The peers, each installed when it is first asked for.
#[derive(Default)]
pub struct Peers {
    nginx: OnceCell<Result<Nginx, String>>,
    pushpin: OnceCell<Result<Programs, String>>,
    pocketbase: OnceCell<Result<PathBuf, String>>,
}

impl Peers {
    /// nginx with nchan.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn nginx(&self) -> Result<Nginx, String> {
        self.nginx.get_or_init(Nginx::install).clone()
    }

    /// Pushpin.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn pushpin(&self) -> Result<Programs, String> {
        self.pushpin.get_or_init(Programs::install).clone()
    }

    /// PocketBase.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub fn pocketbase(&self) -> Result<PathBuf, String> {
        self.pocketbase.get_or_init(pocketbase::install).clone()
    }
}
