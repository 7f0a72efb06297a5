//! One conditional request, with all its limits.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use shared::db::sources::Validators;
use shared::error::chain;
use shared::sources::{Source, is_web};
use shared::time::Instant;
use tokio::net::TcpStream;
use url::Url;

use super::address;
use super::turns::Turns;

/// How the gateway names itself.
const AGENT: &str = concat!("Hearth/", env!("CARGO_PKG_VERSION"), " (feed reader)");
/// What it would like to get.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, \
                      application/json;q=0.9, application/xml;q=0.8, */*;q=0.5";
/// A server may demand to be left alone for so long at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Validators of more bytes are not kept.
const VALIDATOR_MAX: usize = 1024;

/// What a source answered.
#[derive(Debug)]
pub enum Answer {
    /// The same as before.
    Same,
    /// This.
    Content(Content),
}

/// The content of an answer.
#[derive(Debug)]
pub struct Content {
    /// Where it came from, after redirects.
    pub url: Url,
    /// Its media type, as it was told.
    pub media_type: Option<String>,
    /// What makes the next request conditional.
    pub validators: Validators,
    /// The bytes.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name means nothing.
    #[error("{host} does not resolve")]
    Unknown {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The address is not public.
    #[error(
        "{host} is at {}, which is not public: a source may be there with `allow_private: true`",
        ip.map_or_else(|| "no address".to_owned(), |ip| ip.to_string())
    )]
    Private {
        /// The name.
        host: String,
        /// The address.
        ip: Option<IpAddr>,
    },
    /// It cannot be reached, or breaks off.
    #[error("{0}")]
    Broken(String),
    /// It took too long.
    #[error("no whole answer came within {0:?}")]
    Slow(Duration),
    /// It answers, but not well.
    #[error("it answered with the status {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The host, and how long it wants to be left alone.
        hold: Option<(String, Duration)>,
    },
    /// The answer is too long.
    #[error("the answer has more than {0} bytes")]
    Large(usize),
    /// It sends from one place to the next.
    #[error("it redirects more than {0} times")]
    Redirects(u32),
    /// It sends to somewhere that cannot be asked.
    #[error("it redirects to {0:?}, which is not asked")]
    Astray(String),
    /// It sends what was not asked for.
    #[error("the answer is compressed ({0}), although that was not asked for")]
    Compressed(String),
    /// The host is asked too often; nothing was asked.
    #[error("the host is to be left alone for another {0:?}")]
    Busy(Duration),
}

impl FetchError {
    /// Whether another attempt soon may end otherwise.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::Broken(_) | Self::Slow(_) | Self::Busy(_) => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            _ => false,
        }
    }
}

/// Asks `source` for what has changed since it gave `validators`, following its
/// redirects, each request in its turn.
///
/// # Errors
/// When no good answer comes within the limits of the source.
pub async fn fetch(
    source: &Source,
    validators: &Validators,
    turns: &Turns<'_>,
) -> Result<Answer, FetchError> {
    let slow = |_| FetchError::Slow(source.timeout);
    let mut url = source.url.clone();
    let mut left = source.timeout;
    for _ in 0..=source.redirects {
        turns.wait(url.host_str().unwrap_or_default()).await?;
        let begun = tokio::time::Instant::now();
        let answer = tokio::time::timeout(left, ask(source, &url, validators)).await;
        match answer.map_err(slow)?? {
            Asked::Answer(answer) => return Ok(answer),
            Asked::Elsewhere(next) => url = next,
        }
        left = left.saturating_sub(begun.elapsed());
    }
    Err(FetchError::Redirects(source.redirects))
}

/// What came of one request.
enum Asked {
    Answer(Answer),
    Elsewhere(Url),
}

async fn ask(source: &Source, url: &Url, validators: &Validators) -> Result<Asked, FetchError> {
    // What is allowed is the source itself, not all that it redirects to.
    let allow_private = source.allow_private && url.origin() == source.url.origin();
    let addresses = address::resolve(url, allow_private).await?;
    let response = send(request(url, validators)?, addresses).await?;
    match response.status() {
        StatusCode::OK => {
            let content = content(response, url, source.bytes_max()).await?;
            Ok(Asked::Answer(Answer::Content(content)))
        }
        StatusCode::NOT_MODIFIED if *validators != Validators::default() => {
            Ok(Asked::Answer(Answer::Same))
        }
        status if is_redirect(status) => redirected(url, &response).map(Asked::Elsewhere),
        status => {
            let host = url.host_str().unwrap_or_default().to_owned();
            let hold = retry_after(response.headers()).map(|pause| (host, pause));
            Err(FetchError::Status { status, hold })
        }
    }
}

fn request(url: &Url, validators: &Validators) -> Result<Request<Empty<Bytes>>, FetchError> {
    let uri: Uri = url.as_str().parse().map_err(|_| FetchError::Astray(url.as_str().to_owned()))?;
    let mut request = Request::get(uri)
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, ACCEPT)
        .header(header::ACCEPT_ENCODING, "identity");
    if let Some(etag) = &validators.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(since) = &validators.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, since);
    }
    let unsent = |error| FetchError::Broken(format!("the request cannot be sent: {error}"));
    request.body(Empty::new()).map_err(unsent)
}

/// Sends a request to the first of `addresses` that takes a connection, and to
/// no other. TLS checks the certificate against the name in the address.
async fn send(
    request: Request<Empty<Bytes>>,
    addresses: Vec<SocketAddr>,
) -> Result<Response<Incoming>, FetchError> {
    let tls = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
    let client: legacy::Client<_, Empty<Bytes>> = legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(tls.wrap_connector(Pinned(addresses.into())));
    client.request(request).await.map_err(|error| FetchError::Broken(chain(&error)))
}

/// Connects to addresses that were chosen before, whatever a name says now.
#[derive(Clone)]
struct Pinned(Arc<[SocketAddr]>);

impl tower_service::Service<Uri> for Pinned {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let addresses = Arc::clone(&self.0);
        Box::pin(async move { Ok(TokioIo::new(TcpStream::connect(&*addresses).await?)) })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads: to the web, and never from https to http.
fn redirected(from: &Url, response: &Response<Incoming>) -> Result<Url, FetchError> {
    let location = text(response.headers(), &header::LOCATION).unwrap_or_default();
    let astray = || FetchError::Astray(location.chars().take(200).collect());
    let mut url = from.join(&location).map_err(|_| astray())?;
    url.set_fragment(None);
    let downgraded = from.scheme() == "https" && url.scheme() == "http";
    let named = !url.username().is_empty() || url.password().is_some();
    if location.is_empty() || !is_web(&url) || downgraded || named {
        return Err(astray());
    }
    Ok(url)
}

async fn content(
    response: Response<Incoming>,
    url: &Url,
    most: usize,
) -> Result<Content, FetchError> {
    let (head, body) = response.into_parts();
    let encoding = text(&head.headers, &header::CONTENT_ENCODING);
    if let Some(encoding) = encoding.filter(|it| !it.eq_ignore_ascii_case("identity")) {
        return Err(FetchError::Compressed(encoding));
    }
    let short = |value: &String| value.len() <= VALIDATOR_MAX;
    Ok(Content {
        url: url.clone(),
        media_type: text(&head.headers, &header::CONTENT_TYPE),
        validators: Validators {
            etag: text(&head.headers, &header::ETAG).filter(short),
            last_modified: text(&head.headers, &header::LAST_MODIFIED).filter(short),
        },
        body: whole(body, most).await?,
    })
}

/// All of a body, unless it has more than `most` bytes.
async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, FetchError> {
    if usize::try_from(body.size_hint().lower()).is_ok_and(|told| told > most) {
        return Err(FetchError::Large(most));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Broken(chain(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(FetchError::Large(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// How long the server wants to be left alone.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &header::RETRY_AFTER)?;
    let pause = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(&value)?.since(Instant::now()),
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Instant> {
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Instant::from_millis(at.timestamp().as_millisecond()))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_in_two_ways_how_long_it_wants_peace() {
        let header = |value: &str| {
            let headers: HeaderMap =
                [(header::RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
            retry_after(&headers)
        };
        assert_eq!(header("120"), Some(Duration::from_secs(120)));
        assert_eq!(header("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(header("Fri, 31 Dec 2100 23:59:59 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(header("soon"), None);
    }

    #[test]
    fn what_may_pass_is_worth_another_attempt() {
        let status = |status| FetchError::Status { status, hold: None };
        assert!(status(StatusCode::BAD_GATEWAY).is_transient());
        assert!(status(StatusCode::TOO_MANY_REQUESTS).is_transient());
        assert!(!status(StatusCode::NOT_FOUND).is_transient());
        assert!(FetchError::Slow(Duration::ZERO).is_transient());
        assert!(!FetchError::Large(1).is_transient());
        assert!(!FetchError::Private { host: String::new(), ip: None }.is_transient());
    }
}
