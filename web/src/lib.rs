//! The pages, the API and the live hub of Hearth.

pub mod admin;
pub mod assets;
pub mod auth;
pub mod cli;
pub mod compress;
pub mod config;
pub mod drain;
pub mod edge;
pub mod error;
pub mod extract;
pub mod hits;
pub mod hub;
pub mod layers;
pub mod metrics;
pub mod once;
pub mod page;
pub mod params;
pub mod plain;
pub mod queues_file;
pub mod router;
pub mod routes;
pub mod server;
pub mod start;
pub mod state;
pub mod validate;
pub mod views;
pub mod visitor;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use shared::bus::relay;
use shared::shutdown::Shutdown;
use shared::telemetry::ops::Ops;
use tokio::net::TcpListener;

use crate::server::Server;
use crate::server::places::Places;
use crate::state::AppState;

/// How long requests under way may take once the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long the outbox may take to be sent after that.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `shutdown`, then ends what is under way: streams are closed at
/// once, requests are answered, and what they put into the outbox is sent.
///
/// `drain` is what background work stops at: after the last request.
///
/// # Errors
/// When a listener fails.
pub async fn serve(
    state: AppState,
    listener: TcpListener,
    ops: (Ops, TcpListener),
    shutdown: Shutdown,
    drain: Shutdown,
) -> io::Result<()> {
    let relay = tokio::spawn(relay::run(state.data.clone(), state.bus.clone(), drain.clone()));
    let ops = tokio::spawn(ops.0.serve(ops.1, drain.clone()));
    let hub = state.hub.clone();
    let config = &state.config;
    let places = Places::new(config.connections.http, config.connections.http_each);
    let trusted = config.trusted_proxies.clone();
    let server = Server::new((router::router(state), hub), trusted, places, shutdown.clone());
    served(server, listener, &shutdown).await;
    drain.cancel();
    if tokio::time::timeout(DRAIN, relay).await.is_err() {
        tracing::warn!("the outbox is left to the other processes");
    }
    ops.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Serves until `shutdown`, and then what is under way, for a while.
pub(crate) async fn served(server: Arc<Server>, listener: TcpListener, shutdown: &Shutdown) {
    let hub = server.hub.clone();
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = server.run(listener) => {}
        () = overdue => tracing::warn!("requests were still under way and are cut off"),
    }
    hub.leave().await;
}
