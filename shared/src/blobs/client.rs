//! Signing, sending, trying again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rusty_s3::Method;
use url::Url;

use super::body::{Body, IDLE, ObjectBody, full};
use super::error::{BoxError, Error, Target};
use crate::config;

const CONNECT: Duration = Duration::from_secs(5);
const KEEP: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// As long as the clocks of both sides may differ; the signature is used at
/// once and never handed out.
const SIGNATURE_SECONDS: u64 = 900;
const ERROR_BODY: usize = 64 * 1024;

/// One request, signed anew for each attempt.
pub(super) struct Call {
    pub(super) target: Target,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn new(target: Target, method: Method, url: Url) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self { target, method, url, query, headers, body: Bytes::new() }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// The connections and the key of one store.
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Body>,
    key: String,
    secret: config::Secret,
    region: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(settings: &config::S3) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let tls = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(32)
            .build(tls.wrap_connector(tcp));
        Self {
            http,
            key: settings.access_key_id.clone(),
            secret: settings.secret_access_key.clone(),
            region: settings.region.clone(),
        }
    }

    /// Sends `call`, and again after a pause when it failed in passing.
    pub(super) async fn send(&self, call: Call) -> Result<Response<Body>, Error> {
        let mut attempt = 1;
        loop {
            match self.attempt(&call, full(call.body.clone()), Arc::default()).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Sends `call` once, with a body that cannot be read twice; `moved`
    /// counts what was taken from it.
    pub(super) async fn send_once(
        &self,
        call: Call,
        body: Body,
        moved: Arc<AtomicU64>,
    ) -> Result<Response<Body>, Error> {
        self.attempt(&call, body, moved).await
    }

    async fn attempt(
        &self,
        call: &Call,
        body: Body,
        moved: Arc<AtomicU64>,
    ) -> Result<Response<Body>, Error> {
        let request = self.request(call, body)?;
        let stalled = || Error::Stalled { target: call.target.clone(), after: IDLE };
        let answer = tokio::select! {
            answer = self.http.request(request) => answer,
            () = standstill(&moved) => return Err(stalled()),
        };
        let response = answer.map_err(|error| unreachable(&call.target, error))?;
        let response = response.map(|body| body.map_err(BoxError::from).boxed_unsync());
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refusal(call, response).await)
        }
    }

    fn request(&self, call: &Call, body: Body) -> Result<Request<Body>, Error> {
        let signed = self.sign(call);
        let uri = signed.as_str().parse::<Uri>();
        let mut request = Request::builder()
            .method(call.method.to_str())
            .uri(uri.map_err(|_| Error::Key { target: call.target.clone() })?);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request.body(body).map_err(|error| {
            let problem = format!("a header cannot be sent: {error}");
            Error::Malformed { target: call.target.clone(), problem }
        })
    }

    fn sign(&self, call: &Call) -> Url {
        let sorted = |pairs: &[(&'static str, String)]| {
            let mut pairs = pairs.to_vec();
            pairs.sort();
            pairs
        };
        let (query, headers) = (sorted(&call.query), sorted(&call.headers));
        rusty_s3::signing::sign(
            &jiff::Timestamp::now(),
            call.method,
            call.url.clone(),
            &self.key,
            self.secret.expose(),
            None,
            &self.region,
            SIGNATURE_SECONDS,
            query.iter().map(|(name, value)| (*name, value.as_str())),
            headers.iter().map(|(name, value)| (*name, value.as_str())),
        )
    }
}

/// Ends when `moved` has stood still for as long as [`IDLE`].
async fn standstill(moved: &AtomicU64) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(IDLE).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Doubles with each attempt, with full jitter.
fn backoff(attempt: u32) -> Duration {
    let most = FIRST_BACKOFF * 2_u32.pow(attempt - 1);
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    most / 2 + most.mul_f64(share)
}

fn unreachable(target: &Target, error: legacy::Error) -> Error {
    let target = target.clone();
    if error.is_connect() {
        Error::Unreachable { target, source: error.into() }
    } else {
        Error::Broken { target, source: error.into() }
    }
}

async fn refusal(call: &Call, response: Response<Body>) -> Error {
    let (parts, body) = response.into_parts();
    let body = ObjectBody::new(body, call.target.clone());
    let text = match body.bytes(ERROR_BODY).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(_) => String::new(),
    };
    let target = call.target.clone();
    let code = element(&text, "Code").unwrap_or_default();
    match parts.status.as_u16() {
        404 => Error::NotFound { target, code },
        412 => Error::Changed { target },
        416 => Error::Range { target },
        status => {
            let message = element(&text, "Message").unwrap_or_default();
            Error::Refused { target, status, code, message }
        }
    }
}

/// The text of the first `<name>` in an error document.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.to_owned())
}

/// A response header as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_document_is_found() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>gone</Message>";
        assert_eq!(element(xml, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(xml, "Region"), None);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in 1..ATTEMPTS {
            let most = FIRST_BACKOFF * 2_u32.pow(attempt - 1);
            let pause = backoff(attempt);
            assert!(pause >= most / 2 && pause <= most * 3 / 2, "{pause:?}");
        }
    }
}
