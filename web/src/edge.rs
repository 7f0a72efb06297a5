//! A live edge: `/events` alone, on this machine or another. It needs NATS and
//! nothing else; who somebody is it asks of a `web` that has the databases.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Router, middleware};
use shared::bus::Bus;
use shared::shutdown::{self, Shutdown};
use shared::telemetry::ops::Ops;

use crate::auth::desk::Desk;
use crate::config::EdgeConfig;
use crate::error::Fault;
use crate::hub::{self, Hub, Live, Meters};
use crate::layers;
use crate::metrics::Metrics;
use crate::server::places::Places;
use crate::server::{self, Server};
use crate::start::{Error, listen};

/// Serves events until SIGTERM.
///
/// # Errors
/// When something cannot be opened; NATS may be away.
pub async fn run(config: EdgeConfig) -> Result<(), Error> {
    let (shutdown, drain) = (shutdown::on_signal()?, Shutdown::new());
    server::raise_descriptor_limit();
    let listener = listen("SITE_HTTP_ADDR", config.http_addr)?;
    let ops_listener = listen("SITE_OPS_ADDR", config.ops_addr)?;
    let bus = Bus::connect(&config.nats_url, "web-live").await?;
    let mut ops = Ops::default();
    let (metrics, meters) = (Metrics::new(ops.registry()), Meters::new(ops.registry()));
    let EdgeConfig { trusted_proxies: trusted, connections, rules, .. } = config;
    let hub = Hub::start(bus.clone(), meters, connections.spread, shutdown.clone())?;
    checks(&mut ops, &bus, &hub);
    let desk = Desk::Elsewhere(Box::new(bus));
    let live = Live::new((hub.clone(), desk), trusted.clone(), connections, rules);
    tracing::info!(
        http = %listener.local_addr()?,
        ops = %ops_listener.local_addr()?,
        "events are served"
    );
    let ops = tokio::spawn(ops.serve(ops_listener, drain.clone()));
    let places = Places::new(connections.http, connections.http_each);
    let server = Server::new((router(live, metrics), hub), trusted, places, shutdown.clone());
    crate::served(server, listener, &shutdown).await;
    drain.cancel();
    Ok(ops.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))?)
}

fn checks(ops: &mut Ops, bus: &Bus, hub: &Hub) {
    let (bus, hub) = (bus.clone(), hub.clone());
    ops.check("nats", move || std::future::ready(bus.ready()));
    ops.check("live", move || std::future::ready(hub.ready()));
}

fn router(live: Live, metrics: Metrics) -> Router {
    // The last one is the outermost.
    Router::new()
        .route("/events", hub::sse::route(&live))
        .fallback(elsewhere)
        .layer(middleware::from_fn(layers::problems))
        .layer(middleware::from_fn_with_state(false, layers::security))
        .layer(middleware::from_fn_with_state(metrics, layers::trace))
        .with_state(live)
}

async fn elsewhere() -> Response {
    let status = StatusCode::NOT_FOUND;
    let detail = "this is a live edge of a site: it serves /events, and nothing else".to_owned();
    let mut response = status.into_response();
    response.extensions_mut().insert(Fault { status, detail, errors: Vec::new() });
    response
}
