//! Extractors whose refusals are faults like all others.

use std::str::FromStr;

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{Error, Result};

/// A JSON body.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let body = axum::Json::<T>::from_request(request, state).await;
        body.map(|axum::Json(value)| Self(value)).map_err(json_error)
    }
}

/// Says which part of the JSON is wrong.
pub(crate) fn json_error(rejection: JsonRejection) -> Error {
    let text = rejection.body_text();
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Error::Unsupported("send JSON, with `Content-Type: application/json`".to_owned())
        }
        JsonRejection::BytesRejection(bytes) => body_error(bytes.status(), &text),
        _ => {
            let found = text.split_once(": ").map_or(text.as_str(), |(_, found)| found);
            Error::BadRequest(format!("the JSON is not what is taken here: {found}"))
        }
    }
}

/// A form, as a body or as a query.
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let form = axum::Form::<T>::from_request(request, state).await;
        form.map(|axum::Form(value)| Self(value)).map_err(form_error)
    }
}

pub(crate) fn form_error(rejection: FormRejection) -> Error {
    let text = rejection.body_text();
    match rejection {
        FormRejection::InvalidFormContentType(_) => {
            Error::Unsupported("send a form, or JSON with its Content-Type".to_owned())
        }
        FormRejection::BytesRejection(bytes) => body_error(bytes.status(), &text),
        _ => Error::BadRequest(format!("the form is not what is taken here: {text}")),
    }
}

/// A body that is too long, or broke off.
pub(crate) fn body_error(status: axum::http::StatusCode, text: &str) -> Error {
    if status == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge("this is more than is taken here".to_owned())
    } else {
        Error::BadRequest(format!("the request broke off: {text}"))
    }
}

/// A query string.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let bad = |error: axum::extract::rejection::QueryRejection| {
            Error::bad_request(format!(
                "the query is not what is taken here: {}",
                error.body_text()
            ))
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
