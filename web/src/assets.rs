//! The browser's part: the files of `web/ui`, held in the program.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::extract::Path;
use crate::page::etag;

const SERVICE_WORKER: &str = "sw.js";

/// Every file with its name under `/ui/`.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/ui.rs"));

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut state = Sha256::new();
    for (name, bytes) in FILES {
        state.update(name.as_bytes());
        state.update(bytes);
    }
    state.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// Changes when any file does.
#[must_use]
pub fn version() -> &'static str {
    &VERSION
}

/// `GET /ui/{file}`. With the present version in its query it is kept for
/// ever; without, as when one module imports another, it is kept and asked
/// about.
///
/// # Errors
/// When there is no such file.
pub async fn file(Path(name): Path<String>, RawQuery(query): RawQuery) -> Result<Response> {
    let versioned = query.is_some_and(|query| query.strip_prefix("v=") == Some(version()));
    answer(&name, versioned)
}

/// `GET /favicon.ico`, for browsers that do not read the page.
///
/// # Errors
/// When there is none.
pub async fn favicon() -> Result<Response> {
    answer("favicon.svg", false)
}

/// `GET /sw.js`: the service worker, which must be at the root to see every
/// page. It begins with what it keeps, so that it changes when any of that does.
///
/// # Errors
/// When there is none.
pub async fn service_worker() -> Result<Response> {
    let found = FILES.iter().find(|(name, _)| *name == SERVICE_WORKER);
    let (_, program) = *found.ok_or(Error::NotFound("file"))?;
    let assets = json!({"version": version(), "files": for_visitors()});
    let bytes = [format!("self.HEARTH = {assets};\n").as_bytes(), program].concat();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(SERVICE_WORKER))),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache")),
        (header::ETAG, etag(&bytes)),
    ];
    Ok((headers, bytes).into_response())
}

/// The files that the pages of visitors load.
fn for_visitors() -> Vec<&'static str> {
    let names = FILES.iter().map(|(name, _)| *name);
    names.filter(|name| !name.starts_with("admin") && *name != SERVICE_WORKER).collect()
}

fn answer(name: &str, versioned: bool) -> Result<Response> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (_, bytes) = *found.ok_or(Error::NotFound("file"))?;
    let cache = if versioned { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::ETAG, etag(bytes)),
    ];
    Ok((headers, bytes).into_response())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_is_there_and_kept_for_ever_under_its_version() {
        let response = answer("app.css", true).unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        let cache = response.headers()[header::CACHE_CONTROL].to_str().unwrap();
        assert!(cache.contains("immutable"), "{cache}");
        assert!(answer("../Cargo.toml", false).is_err());
    }

    #[test]
    fn the_service_worker_keeps_what_visitors_load_and_nothing_of_the_admin() {
        let files = for_visitors();
        assert!(files.contains(&"app.js") && files.contains(&"live/worker.js"), "{files:?}");
        assert!(files.iter().all(|file| !file.contains("admin") && *file != SERVICE_WORKER));
    }
}
