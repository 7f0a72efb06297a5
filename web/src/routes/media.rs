//! `GET /media/{key}`: public objects, streamed from the store.
//!
//! A key is made from the content, so an answer is good for ever, and the key
//! is its entity tag.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use shared::blobs::Metadata;

use crate::error::Result;
use crate::extract::Path;
use crate::layers::matches_etag;
use crate::state::AppState;

/// Streams an object, or the range of it that is asked for.
///
/// # Errors
/// When there is none, or the store is away.
pub async fn get(
    State(state): State<AppState>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(asked) = headers.get(header::IF_NONE_MATCH)
        && matches_etag(asked, &etag(&key))
    {
        let kept = [(header::ETAG, etag(&key)), (header::CACHE_CONTROL, for_ever())];
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let object = match range.filter(|range| is_one_range(range)) {
        Some(range) => state.public.get_range(&key, range).await?,
        None => state.public.get(&key).await?,
    };
    let status = match object.metadata.content_range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    Ok((status, described(&key, &object.metadata), Body::from_stream(object.body)).into_response())
}

/// `HEAD /media/{key}`.
///
/// # Errors
/// As [`get`].
pub async fn head(State(state): State<AppState>, Path(key): Path<String>) -> Result<Response> {
    let metadata = state.public.head(&key).await?;
    Ok(described(&key, &metadata).into_response())
}

/// Other units and several ranges are left aside, as RFC 9110 allows.
fn is_one_range(range: &str) -> bool {
    range.starts_with("bytes=") && !range.contains(',')
}

fn etag(key: &str) -> HeaderValue {
    let digest = Sha256::digest(key.as_bytes());
    let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hex}\"")).expect("hexadecimal digits are plain text")
}

fn for_ever() -> HeaderValue {
    HeaderValue::from_static("public, max-age=31536000, immutable")
}

fn described(key: &str, metadata: &Metadata) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, etag(key));
    headers.insert(header::CACHE_CONTROL, for_ever());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, metadata.length.into());
    let mut copy = |name: HeaderName, value: &Option<String>| {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    };
    copy(header::CONTENT_TYPE, &metadata.content_type);
    copy(header::LAST_MODIFIED, &metadata.last_modified);
    copy(header::CONTENT_RANGE, &metadata.content_range);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_kept_for_ever_under_a_tag_of_its_key() {
        let metadata = Metadata {
            etag: "\"md5\"".into(),
            length: 3,
            content_type: Some("image/webp".into()),
            cache_control: None,
            last_modified: None,
            content_range: None,
        };
        let headers = described("a.webp", &metadata);
        assert_eq!(headers[header::CONTENT_TYPE], "image/webp");
        assert_eq!(headers[header::ETAG], etag("a.webp"));
        assert_ne!(etag("a.webp"), etag("b.webp"));
        assert!(is_one_range("bytes=0-9") && !is_one_range("bytes=0-1,3-4"));
    }
}
