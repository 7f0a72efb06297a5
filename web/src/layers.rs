//! What happens around every request: its id, its log, the headers of its
//! answer, the page or the problem details of a fault.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::FutureExt as _;
use serde_json::json;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::auth::{self, csrf};
use crate::error::{Error, Fault};
use crate::metrics::Metrics;
use crate::page;
use crate::state::AppState;

/// Scripts, styles and pictures of this site alone, none of them inline.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
                   img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
                   frame-ancestors 'none'; form-action 'self'";
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id: the cause of all that it leads to.
#[derive(Debug, Clone, Copy)]
pub struct Cause(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Cause {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| Self(Uuid::now_v7())))
    }
}

/// Names the request, logs what became of it, and measures it.
pub async fn trace(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    request.extensions_mut().insert(Cause(id));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = loggable(request.uri().path(), route.as_deref()).to_owned();
    let span = tracing::info_span!("request", cause = %id, %method, path);
    async {
        let started = Instant::now();
        let ran = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let mut response = ran.unwrap_or_else(|_| {
            tracing::error!("the code that answers panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        });
        let took = started.elapsed();
        metrics.count(&method, route.as_deref(), response.status(), took);
        let status = response.status().as_u16();
        if method == Method::GET || method == Method::HEAD {
            tracing::debug!(status, ?took, "answered");
        } else {
            tracing::info!(status, ?took, "answered");
        }
        let id = HeaderValue::try_from(id.to_string()).expect("a UUID is plain text");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// The path as the log may hold it: a link that signs in is a secret.
fn loggable<'a>(path: &'a str, route: Option<&'a str>) -> &'a str {
    route.filter(|route| route.contains("{token}")).unwrap_or(path)
}

/// Adds what tells browsers to be careful.
pub async fn security(State(https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

/// Turns away what another site's page sends.
pub async fn same_site(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if csrf::allows(request.method(), request.headers(), &state.config.site_url) {
        next.run(request).await
    } else {
        Error::CrossSite.into_response()
    }
}

/// Answers 304 when the client has what it asks for.
pub async fn not_modified(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::IF_NONE_MATCH).cloned();
    // The ETag of the API names a version for If-Match, not the whole answer.
    let readable = matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let etag = response.headers().get(header::ETAG);
    let same = match (&asked, etag) {
        (Some(asked), Some(etag)) => readable && matches_etag(asked, etag),
        _ => false,
    };
    if !same || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, _body) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    Response::from_parts(parts, Body::empty())
}

/// The weak comparison of RFC 9110, which is for reading.
#[must_use]
pub fn matches_etag(asked: &HeaderValue, etag: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (Ok(asked), Ok(etag)) = (asked.to_str(), etag.to_str()) else {
        return false;
    };
    asked.trim() == "*" || asked.split(',').any(|tag| bare(tag) == bare(etag))
}

/// Shows each fault: a page to people, problem details to programs.
pub async fn faults(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let response = next.run(request).await;
    match fault_of(&response) {
        Some(fault) => show(&state, asked, response, fault).await,
        None => response,
    }
}

/// Shows each fault as problem details: where there are no pages.
pub async fn problems(request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let response = next.run(request).await;
    match fault_of(&response) {
        Some(fault) => replace(response, fault.status, problem(&fault, &asked.id())),
        None => response,
    }
}

/// What is known of a request when its fault is to be shown.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    cause: Option<Cause>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            cause: request.extensions().get().copied(),
        }
    }

    fn id(&self) -> String {
        self.cause.map(|cause| cause.0.to_string()).unwrap_or_default()
    }

    /// A page of the admin's that was opened without being signed in.
    fn is_admin_page(&self) -> bool {
        let path = self.uri.path();
        let inside = path == "/account" || page::is_panel(path);
        inside && matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// The fault of a response: a handler's, or the bare status of the router
/// (405) or of an extractor.
fn fault_of(response: &Response) -> Option<Fault> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    if let Some(fault) = response.extensions().get::<Fault>() {
        return Some(fault.clone());
    }
    if response.headers().contains_key(header::CONTENT_TYPE) && status != StatusCode::NOT_FOUND {
        return None;
    }
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "This address takes other methods than this one.",
        _ => "The request cannot be answered.",
    };
    Some(Fault { status, detail: detail.to_owned(), errors: Vec::new() })
}

async fn show(state: &AppState, asked: Asked, bare: Response, fault: Fault) -> Response {
    let status = fault.status;
    let shown = if prefers_json(asked.uri.path(), &asked.headers) {
        problem(&fault, &asked.id())
    } else if status == StatusCode::UNAUTHORIZED && asked.is_admin_page() {
        return Redirect::to("/signin").into_response();
    } else {
        let viewer = auth::look_up(&asked.headers, state).await.ok().flatten();
        page::fault(state, &asked.uri, viewer.map(|viewer| viewer.user), &fault, asked.id()).await
    };
    replace(bare, status, shown)
}

/// The answer with what is shown of its fault; its own headers stay.
fn replace(bare: Response, status: StatusCode, shown: Response) -> Response {
    let (mut parts, _empty) = bare.into_parts();
    let (with, body) = shown.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(with.headers);
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.status = status;
    Response::from_parts(parts, body)
}

/// RFC 9457.
fn problem(fault: &Fault, id: &str) -> Response {
    let mut body = json!({
        "type": "about:blank",
        "title": fault.status.canonical_reason().unwrap_or("Error"),
        "status": fault.status.as_u16(),
        "detail": fault.detail,
        "instance": format!("urn:uuid:{id}"),
    });
    if !fault.errors.is_empty() {
        body["errors"] = json!(fault.errors);
    }
    let problem = HeaderValue::from_static("application/problem+json");
    let mut response = Json(body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, problem);
    response
}

/// Whether the client is a program: it asks for JSON before HTML, or sends
/// JSON without asking for HTML, or is at an address that people do not open.
#[must_use]
pub fn prefers_json(path: &str, headers: &HeaderMap) -> bool {
    if path.starts_with("/api/") || path == "/hits" || path == "/events" {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let accept = text(header::ACCEPT);
    let place = |kind: &str| accept.find(kind).unwrap_or(usize::MAX);
    let asks_json = place("application/json").min(place("application/problem+json"));
    if asks_json == usize::MAX && place("text/html") == usize::MAX {
        return text(header::CONTENT_TYPE).starts_with("application/json");
    }
    asks_json < place("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, value.parse().unwrap())])
    }

    #[test]
    fn a_browser_gets_pages_and_a_program_problem_details() {
        assert!(!prefers_json("/x", &accept("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!prefers_json("/x", &HeaderMap::new()));
        assert!(prefers_json("/x", &accept("application/json")));
        let sent =
            HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        assert!(prefers_json("/x", &sent));
        assert!(prefers_json("/api/v1/posts", &accept("text/html")));
    }

    #[test]
    fn a_sign_in_link_is_not_logged() {
        let route = "/signin/link/{token}";
        assert_eq!(loggable("/signin/link/secret", Some(route)), route);
        assert_eq!(loggable("/posts/a", Some("/posts/{slug}")), "/posts/a");
    }

    #[test]
    fn an_etag_is_compared_weakly() {
        let matches =
            |asked: &str, etag: &str| matches_etag(&asked.parse().unwrap(), &etag.parse().unwrap());
        assert!(matches("W/\"a\"", "\"a\""));
        assert!(matches("\"b\", \"a\"", "W/\"a\""));
        assert!(matches("*", "\"a\""));
        assert!(!matches("\"b\"", "\"a\""));
    }
}
