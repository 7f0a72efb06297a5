//! Accepts connections, and bounds what they cost.

mod answers;
mod connection;
mod flushed;
mod head;
pub mod places;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::shutdown::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use places::{Place, Places};

/// Connections whose first request is read and answered at once at most: a
/// burst of new ones does not take the memory of all of them.
const TURNS: usize = 32;
/// The pause when the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(500);

/// What all connections share.
pub struct Server {
    router: Router,
    pub(crate) hub: Hub,
    /// Whoever is not here is counted by address.
    trusted: Vec<IpNet>,
    places: Arc<Places>,
    turns: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Server {
    /// The site behind `router`; connections that ask for events end in `hub`.
    /// `places` are for all others.
    #[must_use]
    pub fn new(
        (router, hub): (Router, Hub),
        trusted: Vec<IpNet>,
        places: Arc<Places>,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(TURNS));
        Arc::new(Self { router, hub, trusted, places, turns, shutdown })
    }

    /// Serves until the shutdown, and then what is under way.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        let tasks = TaskTracker::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => self.accepted(accepted, &tasks).await,
                () = self.shutdown.cancelled() => break,
            }
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn accepted(
        self: &Arc<Self>,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        tasks: &TaskTracker,
    ) {
        match accepted {
            Ok((stream, peer)) => {
                // Who has too many connections already gets no answer.
                if let Some(place) = self.place(peer) {
                    let served = connection::serve(Arc::clone(self), stream, peer);
                    tasks.spawn(async move {
                        let _place = place;
                        served.await;
                    });
                }
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn place(&self, peer: SocketAddr) -> Option<Place> {
        let address = peer.ip().to_canonical();
        let trusted = self.trusted.iter().any(|network| network.contains(&address));
        self.places.enter((!trusted).then_some(address))
    }
}

/// Lets the process have as many descriptors as the system allows: each
/// connection is one.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = limit.current, "the limit on descriptors stays");
    }
}

/// A client that went away before it was accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
