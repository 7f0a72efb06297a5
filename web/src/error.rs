//! The one error of handlers, and what a client is told of it.
//!
//! A handler gives back an [`Error`]; it becomes a [`Fault`], which
//! [`crate::layers::faults`] shows as a page to people and as problem details
//! (RFC 9457) to programs. What is the site's own fault is logged here, once,
//! with its causes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::db::posts::SaveError;
use shared::error::chain;
use shared::overview::{self, QueueFault, Undone};
use shared::subject::Pattern;
use shared::{blobs, db};

/// The result of a handler.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with one field of a form or a JSON body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field.
    pub field: Cow<'static, str>,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// Why a request was not answered as it hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Nobody is signed in, or the token is unknown.
    #[error("sign in, or send a token as `Authorization: Bearer …`")]
    Unauthorised,
    /// Whoever is signed in may not do this.
    #[error("this is not yours to see or do")]
    Forbidden,
    /// The token is for watching some topics alone.
    #[error("this token may watch {0} at /events, and nothing else")]
    WatchOnly(String),
    /// The request comes from another site's page.
    #[error("this request was sent from another site's page, and was not carried out")]
    CrossSite,
    /// There is no such thing.
    #[error("there is no {0} here")]
    NotFound(&'static str),
    /// There is no such thing; the text says what there is.
    #[error("{0}")]
    Absent(String),
    /// It clashes with what is there.
    #[error("{0}")]
    Conflict(String),
    /// The version that `If-Match` names is not the present one.
    #[error("{0}")]
    PreconditionFailed(String),
    /// More than is taken.
    #[error("{0}")]
    TooLarge(String),
    /// Of a type that is not taken.
    #[error("{0}")]
    Unsupported(String),
    /// Fields that cannot be taken.
    #[error("{}", sentence(.0))]
    Invalid(Vec<FieldError>),
    /// The `Idempotency-Key` belongs to another request.
    #[error("this Idempotency-Key was used for another request; use a new one")]
    KeyReused,
    /// Enough for now.
    #[error("too many at once: try again in {} s", seconds(.wait))]
    TooMany {
        /// How long to wait.
        wait: Duration,
    },
    /// A range outside the object.
    #[error("the range lies outside the object")]
    Range,
    /// A part that is needed for this is away.
    #[error("{0}")]
    Unavailable(String),
    /// A database failed.
    #[error("the site's database failed")]
    Database(#[from] db::Error),
    /// The object store failed.
    #[error("the object store failed")]
    Store(#[source] blobs::Error),
    /// A page could not be made.
    #[error("the page could not be made")]
    Template(#[from] askama::Error),
    /// Something else of the site's own.
    #[error("the site failed: {0}")]
    Internal(String),
}

impl Error {
    /// The request makes no sense; `problem` says why.
    pub fn bad_request(problem: impl fmt::Display) -> Self {
        Self::BadRequest(problem.to_string())
    }

    /// A part that is needed for this is away.
    pub fn unavailable(problem: impl Into<String>) -> Self {
        Self::Unavailable(problem.into())
    }

    /// The token is for watching topics of these shapes alone.
    #[must_use]
    pub fn watch_only(patterns: &[Pattern]) -> Self {
        let shapes: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Self::WatchOnly(shapes.join(", "))
    }

    /// One field that cannot be taken.
    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::CrossSite | Self::WatchOnly(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Absent(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Range => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Database(error) if error.is_disk_full() => StatusCode::INSUFFICIENT_STORAGE,
            Self::Database(_) | Self::Template(_) | Self::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Unavailable(_) | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client reads: never a cause of the site's own.
    fn detail(&self) -> String {
        match self {
            Self::Database(error) if error.is_disk_full() => {
                "The disk of the site is full, so nothing could be saved. Nothing that was \
                 saved before is lost."
                    .to_owned()
            }
            Self::Database(_) | Self::Template(_) | Self::Internal(_) => {
                "The fault is the site's, and it has been written down. Try again in a moment."
                    .to_owned()
            }
            Self::Store(_) => "The store of images is away. Try again in a moment.".to_owned(),
            told => told.to_string(),
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(_) | Self::Store(_) => {
                tracing::warn!(error = chain(self), "a request must wait");
            }
            own if own.status().is_server_error() => {
                tracing::error!(error = chain(self), "a request failed");
            }
            _ => {}
        }
    }
}

impl From<blobs::Error> for Error {
    fn from(error: blobs::Error) -> Self {
        match error {
            blobs::Error::NotFound { ref code, .. } if code != "NoSuchBucket" => {
                Self::NotFound("object")
            }
            blobs::Error::Key { .. } => Self::NotFound("object"),
            blobs::Error::Range { .. } => Self::Range,
            other => Self::Store(other),
        }
    }
}

impl From<overview::Error> for Error {
    fn from(error: overview::Error) -> Self {
        match error {
            overview::Error::Database(error) => Self::Database(error),
            overview::Error::Nats(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<QueueFault> for Error {
    fn from(fault: QueueFault) -> Self {
        match fault {
            QueueFault::Unknown(_) => Self::Absent(fault.to_string()),
            QueueFault::Away(error) => error.into(),
        }
    }
}

impl From<Undone> for Error {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Away(error) => error.into(),
            Undone::NoId(_) => Self::bad_request(undone),
            Undone::Unknown(_) => Self::Absent(undone.to_string()),
            Undone::Retried { .. }
            | Undone::NotDead { .. }
            | Undone::Over { .. }
            | Undone::NoJob(_)
            | Undone::KeyHeld(_) => Self::Conflict(undone.to_string()),
        }
    }
}

impl From<SaveError> for Error {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::SlugTaken(_) => Self::Conflict(error.to_string()),
            SaveError::Unknown(_) => Self::NotFound("post"),
            SaveError::Changed { .. } => Self::PreconditionFailed(error.to_string()),
            SaveError::Database(error) => Self::Database(error),
        }
    }
}

/// A problem as a sentence of its own.
#[must_use]
pub fn told(problem: &str) -> String {
    let mut letters = problem.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

fn sentence(fields: &[FieldError]) -> String {
    let parts: Vec<String> =
        fields.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
    parts.join("; ")
}

fn seconds(wait: &Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What a client is told; travels with a response until it is shown.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The HTTP status.
    pub status: StatusCode,
    /// A sentence or two.
    pub detail: String,
    /// By field, when fields are at fault.
    pub errors: Vec<FieldError>,
}

impl Fault {
    /// A few words for the status.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "Page not found",
            StatusCode::UNAUTHORIZED => "Please sign in",
            StatusCode::TOO_MANY_REQUESTS => "Too many at once",
            StatusCode::UNPROCESSABLE_ENTITY => "This cannot be taken",
            StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong",
            StatusCode::SERVICE_UNAVAILABLE => "Not available just now",
            StatusCode::INSUFFICIENT_STORAGE => "The disk is full",
            status => status.canonical_reason().unwrap_or("Refused"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let mut response = status.into_response();
        let headers = response.headers_mut();
        match &self {
            Self::Unauthorised => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany { wait } => {
                headers.insert(header::RETRY_AFTER, seconds(wait).into());
            }
            Self::Unavailable(_) | Self::Store(_) => {
                headers.insert(header::RETRY_AFTER, 5.into());
            }
            _ => {}
        }
        let detail = self.detail();
        let errors = if let Self::Invalid(errors) = self { errors } else { Vec::new() };
        response.extensions_mut().insert(Fault { status, detail, errors });
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_site_tells_nothing_of_its_causes() {
        let error = Error::Database(db::Error::Missing("/secret/data.db".into()));
        assert!(!error.detail().contains("secret"));
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        let response = Error::TooMany { wait: Duration::from_millis(1200) }.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn fields_at_fault_are_named() {
        let error = Error::field("author", "it takes 1 to 80 characters");
        assert_eq!(error.to_string(), "author: it takes 1 to 80 characters");
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
