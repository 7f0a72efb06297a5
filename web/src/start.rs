//! From a configuration to a site that is being served.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use shared::bus::{self, Bus};
use shared::db::{self, Data, Ttl, users};
use shared::error::chain;
use shared::shutdown::{self, Shutdown};
use shared::telemetry::ops::Ops;
use shared::{blobs, config::Mistakes};
use tokio::net::{TcpListener, TcpSocket};

use crate::auth::desk::{self, Records};
use crate::config::Config;
use crate::hits::Packer;
use crate::hub::{Hub, Meters};
use crate::metrics::Metrics;
use crate::routes::upload;
use crate::server;
use crate::state::AppState;

/// Connections that wait to be accepted: after a deploy all clients come back at
/// once. The system has a bound of its own (`net.core.somaxconn`, mostly 4096).
const BACKLOG: u32 = 4096;
/// The pause between two tries to make the streams.
const STREAMS_RETRY: Duration = Duration::from_secs(1);

/// Why the site is not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// A database cannot be used.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The address of NATS is of no use.
    #[error(transparent)]
    Bus(#[from] bus::ConnectError),
    /// The address of the object store is of no use.
    #[error(transparent)]
    Store(#[from] blobs::Error),
    /// An address is taken, or not this machine's.
    #[error("cannot listen on {address} ({variable})")]
    Listen {
        /// The variable that names it.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no token of that name or id.
    #[error("no token has the name or the id {0:?}; `web admin token --list` lists them")]
    NoToken(String),
    /// A signal or a listener failed.
    #[error("the process failed")]
    Io(#[from] std::io::Error),
}

/// Opens everything and serves until SIGTERM.
///
/// # Errors
/// When something cannot be opened; NATS and the object store may be away.
pub async fn run(config: Config) -> Result<(), Error> {
    let shutdown = shutdown::on_signal()?;
    let drain = Shutdown::new();
    server::raise_descriptor_limit();
    let listener = listen("SITE_HTTP_ADDR", config.http_addr)?;
    let ops_listener = listen("SITE_OPS_ADDR", config.ops_addr)?;
    let databases = (Data::open(&config.data_dir)?, Ttl::open(&config.data_dir)?);
    users::ensure_admin(&databases.0, config.admin_email.clone()).await?;
    upload::forget_leftovers(&config.data_dir);
    let bus = Bus::connect(&config.nats_url, "web").await?;
    tokio::spawn(keep_trying_streams(bus.clone(), shutdown.clone()));
    let mut ops = Ops::default();
    let (metrics, meters) = (Metrics::new(ops.registry()), Meters::new(ops.registry()));
    let hub = Hub::start(bus.clone(), meters, config.connections.spread, shutdown.clone())?;
    hub.speak_of_readers(databases.0.clone());
    let packer = Packer::start(bus.clone(), &config.data_dir, drain.clone());
    let state = AppState::new(config, databases, bus, (hub, packer), metrics)?;
    checks(&mut ops, &state);
    let records = Records { register: state.register.clone(), queues: state.queues.clone() };
    tokio::spawn(desk::answer(state.bus.clone(), records, shutdown.clone()));
    tracing::info!(
        http = %listener.local_addr()?,
        ops = %ops_listener.local_addr()?,
        "the site is served"
    );
    crate::serve(state, listener, (ops, ops_listener), shutdown, drain).await?;
    Ok(())
}

pub(crate) fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    bind(address).map_err(|source| Error::Listen { variable, address, source })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As a listener of the standard library: a port is free at once after a restart.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// NATS may be away at the start; the site is served meanwhile.
async fn keep_trying_streams(bus: Bus, shutdown: Shutdown) {
    while let Err(error) = bus.ensure_streams().await {
        tracing::warn!(error = chain(&error), "the streams are not there yet");
        tokio::select! {
            () = tokio::time::sleep(STREAMS_RETRY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// What must work for the site to be all there. Pages are served without any
/// but the databases.
fn checks(ops: &mut Ops, state: &AppState) {
    let databases = state.clone();
    ops.check("data", move || {
        let state = databases.clone();
        async move { state.data.ping().await.map_err(|error| error.to_string()) }
    });
    let bus = state.bus.clone();
    ops.check("nats", move || std::future::ready(bus.ready()));
    let hub = state.hub.clone();
    ops.check("live", move || std::future::ready(hub.ready()));
    let stores = state.clone();
    ops.check("s3", move || {
        let state = stores.clone();
        async move {
            state.public.ready().await.map_err(|error| error.to_string())?;
            state.private.ready().await.map_err(|error| error.to_string())
        }
    });
}
