//! The ops listener: `/healthz`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, routing::get};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;

use crate::shutdown::Shutdown;

/// A part that does not answer within this is not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Box<dyn Fn() -> Checking + Send + Sync>;

/// What the ops listener shows.
#[derive(Default)]
pub struct Ops {
    registry: Registry,
    checks: Vec<(&'static str, Check)>,
}

impl Ops {
    /// Where metrics are registered.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Adds a part that must work for the process to be ready; `check` says
    /// in words what is wrong.
    pub fn check<F, R>(&mut self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || Box::pin(check()))));
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Arc::new(self));
        axum::serve(listener, router.into_make_service())
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

/// 200 when every part works, else 503; either way each part by name.
async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let mut parts = BTreeMap::new();
    for (name, check) in &ops.checks {
        let result = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
        let state = match result {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(problem)) => problem,
            Err(_) => format!("no answer within {} s", CHECK_TIMEOUT.as_secs()),
        };
        parts.insert(*name, state);
    }
    let ready = parts.values().all(|state| state == "ok");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": ready, "parts": parts}))).into_response()
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match encode(&mut text, &ops.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
