//! Pages of other sites that may watch: `LIVE_ORIGINS`.
//!
//! Cookies of theirs count for nothing here: who is not a visitor sends a token.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Live;
use crate::config::Origins;

/// What another site's page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, cache-control, last-event-id");
/// How long a browser may keep the answer to its question, in seconds.
const KEPT: HeaderValue = HeaderValue::from_static("86400");

/// Answers a browser's question whether a page may watch; [`allow`] says for
/// whom it is answered.
pub(super) async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, KEPT),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Tells browsers whose pages may read the answer.
pub(super) async fn allow(State(live): State<Live>, request: Request, next: Next) -> Response {
    let allowed = allowed(&live.rules.origins, request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    if matches!(&live.rules.origins, Origins::These(some) if !some.is_empty()) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn allowed(origins: &Origins, headers: &HeaderMap) -> Option<HeaderValue> {
    let from = headers.get(header::ORIGIN)?;
    match origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(some) => {
            some.iter().any(|origin| origin.as_bytes() == from.as_bytes()).then(|| from.clone())
        }
    }
}
