//! Extractors whose refusals are faults like all others.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::plain;

/// Bytes that a body may have: what the limit on it says of itself, for those
/// who are refused.
#[derive(Debug, Clone, Copy)]
pub struct BodyMax(pub usize);

impl BodyMax {
    fn of(request: &Request) -> Option<usize> {
        request.extensions().get::<Self>().map(|max| max.0)
    }
}

/// A JSON body.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let max = BodyMax::of(&request);
        if !is_json(request.headers()) {
            let takes = "send JSON, with `Content-Type: application/json`";
            return Err(Error::Unsupported(takes.to_owned()));
        }
        let bytes = Bytes::from_request(request, state).await;
        json(&bytes.map_err(|error| body_error(error.status(), max))?).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// Reads JSON, or says which part of it is wrong.
fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader);
    let said = match read.map(|value| reader.end().map(|()| value)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(trailing)) => return Err(no_json(&trailing)),
        Err(error) if error.inner().is_data() => error.to_string(),
        // The parser takes a value that stands where a word should for no JSON.
        Err(error) => match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(value) => match serde_path_to_error::deserialize::<_, T>(value) {
                Ok(value) => return Ok(value),
                Err(error) => error.to_string(),
            },
            Err(_) => return Err(no_json(error.inner())),
        },
    };
    Err(plain::refused("the JSON", &said))
}

fn no_json(error: &serde_json::Error) -> Error {
    Error::BadRequest(format!("the body is no JSON{}", plain::place(&error.to_string())))
}

/// A form, as a body or as a query.
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let max = BodyMax::of(&request);
        let form = axum::Form::<T>::from_request(request, state).await;
        form.map(|axum::Form(value)| Self(value)).map_err(|error| form_error(error, max))
    }
}

fn form_error(rejection: FormRejection, max: Option<usize>) -> Error {
    let text = rejection.body_text();
    let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
    match rejection {
        FormRejection::InvalidFormContentType(_) => {
            Error::Unsupported("send a form, or JSON with its Content-Type".to_owned())
        }
        FormRejection::BytesRejection(bytes) => body_error(bytes.status(), max),
        _ => plain::refused("the form", said),
    }
}

/// A body that is too long, or broke off.
fn body_error(status: StatusCode, max: Option<usize>) -> Error {
    match max {
        _ if status != StatusCode::PAYLOAD_TOO_LARGE => {
            Error::BadRequest("the request broke off before its end; send it again".to_owned())
        }
        Some(max) => Error::TooLarge(format!("at most {} KiB are taken here", max >> 10)),
        None => Error::TooLarge("this is more than is taken here".to_owned()),
    }
}

/// A query string.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let bad = |error: axum::extract::rejection::QueryRejection| {
            let text = error.body_text();
            let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
            plain::refused("the query", said)
        };
        query.map(|axum::extract::Query(value)| Self(value)).map_err(bad)
    }
}

/// One part of the path, as text.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Error::NotFound("page"))
    }
}

/// An id in a path: whatever is no id is not there.
///
/// # Errors
/// [`Error::NotFound`], naming `what`.
pub fn id(text: &str, what: &'static str) -> Result<Uuid> {
    Uuid::from_str(text).map_err(|_| Error::NotFound(what))
}

/// Where a list in the order of ids goes on.
///
/// # Errors
/// When it is no `next` of such a list.
pub fn after_id(asked: Option<String>) -> Result<Option<String>> {
    asked
        .map(|text| Uuid::from_str(&text).map(|id| id.to_string()).map_err(|_| no_cursor(&text)))
        .transpose()
}

/// Where a list in the order of moments goes on.
///
/// # Errors
/// When it is no `next` of such a list.
pub fn after_moment(asked: Option<String>) -> Result<Option<String>> {
    let read = |text: &str| {
        let (at, id) = text.split_once('_')?;
        Some(format!("{}_{}", at.parse::<i64>().ok()?, Uuid::from_str(id).ok()?))
    };
    asked.map(|text| read(&text).ok_or_else(|| no_cursor(&text))).transpose()
}

fn no_cursor(text: &str) -> Error {
    Error::bad_request(format!("after takes `next` of the page before; got {text:?}"))
}

/// How many items a list gives.
///
/// # Errors
/// When it is not from 1 to 100.
pub fn limit(asked: Option<usize>, usual: usize) -> Result<usize> {
    match asked {
        None => Ok(usual),
        Some(limit @ 1..=100) => Ok(limit),
        Some(other) => Err(Error::bad_request(format!("limit takes 1 to 100; got {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: fn(Option<String>) -> Result<Option<String>>, text: &str, taken: bool) {
        match read(Some(text.to_owned())) {
            Ok(cursor) => assert!(taken && cursor.as_deref() == Some(text), "{text:?} was taken"),
            Err(error) => {
                assert!(
                    !taken && error.to_string().starts_with("after takes"),
                    "{text:?}: {error}"
                );
                assert_eq!(error.status(), axum::http::StatusCode::BAD_REQUEST);
            }
        }
    }

    #[track_caller]
    fn refused(body: &str, parts: &[&str]) {
        let error = json::<shared::jobs::order::Order>(body.as_bytes()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is missing in {error}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_with_what_came_and_what_would_be_right() {
        let order = |field: &str| format!("{{\"queue\": \"q\", \"kind\": \"k\", {field}}}");
        refused(&order("\"priority\": 5"), &["priority", "high, normal, low", "the number 5"]);
        refused(&order("\"priority\": [1]"), &["priority", "high, normal, low", "a list"]);
        refused(&order("\"priority\": \"top\""), &["priority", "high, normal, low", "top"]);
        refused(&order("\"cost\": 1.5"), &["cost", "a whole number", "the number 1.5"]);
        refused(&order("\"cost\": -1"), &["cost", "a whole number", "the number -1"]);
        refused(&order("\"run_at\": 5"), &["run_at", "a moment, such as", "the number 5"]);
        refused(&order("\"unique_key\": {}"), &["unique_key", "a text", "an object"]);
        refused("[]", &["it takes an object", "a list"]);
        refused("{\"queue\": null}", &["queue", "a text", "null"]);
        refused("{\"queue\": \"q\"", &["the body is no JSON", "line 1"]);
        refused("", &["the body is no JSON"]);
        let absent = order("\"priority\": null, \"cost\": null");
        assert!(json::<shared::jobs::order::Order>(absent.as_bytes()).is_ok());
    }

    #[test]
    fn a_place_in_a_list_is_one_that_the_list_gave() {
        let id = "0198f3a1-0000-7000-8000-000000000001";
        check(after_id, id, true);
        check(after_moment, &format!("1700000000000_{id}"), true);
        for text in ["", "2", "x_y", "1700000000000_", &format!("_{id}"), &format!("x_{id}")] {
            check(after_id, text, false);
            check(after_moment, text, false);
        }
        assert_eq!(after_id(None).unwrap(), None);
    }
}
