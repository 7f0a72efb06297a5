//! `GET /api/v1/openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The document itself.
pub const DOCUMENT: &str = include_str!("../../openapi.json");

/// Gives the document.
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
