//! A client of the site, as a visitor or a program is one.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Sends requests to one site, with its own headers.
#[derive(Clone)]
pub struct Client {
    http: Http<HttpConnector, Body>,
    base: String,
    headers: Vec<(String, String)>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, base: base.trim_end_matches('/').to_owned(), headers: Vec::new() }
    }

    /// The same client at another address.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The same client with one more header on each request.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// With the admin's bearer token.
    pub fn bearer(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// As a visitor of that address, behind a trusted proxy.
    pub fn from_address(&self, address: &str) -> Self {
        self.with("x-forwarded-for", address)
    }

    /// Sends a request; an error when the site cannot be reached.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> Result<axum::http::Response<Incoming>, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = match content {
            Some((content_type, body)) => {
                request = request.header("content-type", content_type);
                Body::from(body)
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| error.to_string())?;
        self.http.request(request).await.map_err(|error| format!("{error:?}"))
    }

    /// Sends a request and reads the answer whole.
    pub async fn try_ask(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> Result<Answer, String> {
        let (head, body) = self.try_send(method, path, content).await?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.try_ask(Method::GET, path, None).await.expect("the site answers")
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.try_json(Method::POST, path, body).await.expect("the site answers")
    }

    pub async fn try_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, String> {
        let body = Bytes::from(body.to_string());
        self.try_ask(method, path, Some(("application/json", body))).await
    }

    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let content = Some(("application/x-www-form-urlencoded", Bytes::from(body)));
        self.try_ask(Method::POST, path, content).await.expect("the site answers")
    }

    /// Uploads a file as multipart `file`.
    pub async fn upload(&self, path: &str, name: &str, file: &[u8]) -> Answer {
        self.try_upload(path, name, file).await.expect("the site answers")
    }

    /// As [`Client::upload`]; an error when the site cannot be reached.
    pub async fn try_upload(&self, path: &str, name: &str, file: &[u8]) -> Result<Answer, String> {
        const EDGE: &str = "edge-of-a-part";
        let head = format!(
            "--{EDGE}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        let tail = format!("\r\n--{EDGE}--\r\n");
        let body = Bytes::from([head.as_bytes(), file, tail.as_bytes()].concat());
        let content_type = format!("multipart/form-data; boundary={EDGE}");
        self.try_ask(Method::POST, path, Some((&content_type, body))).await
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, which it must be.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// This answer, when it has `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
