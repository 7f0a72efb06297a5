//! `POST /hits`: the page-view beacon.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use shared::jobs::views::Hit;
use shared::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{agent, limit};
use crate::error::{Error, Result};
use crate::plain;
use crate::state::AppState;
use crate::visitor::Peer;

/// The longest path that is counted, in bytes.
const PATH_MAX: usize = 500;
/// The longest title that is kept, in characters.
const TITLE_MAX: usize = 200;
/// The longest name that DNS knows; a URL can hold a longer one.
const HOST_MAX: usize = 253;
/// Wider windows than this are a mistake.
const WIDTH_MAX: u32 = 20_000;

/// What a page says of itself.
#[derive(Debug, Deserialize)]
struct Beacon {
    path: String,
    referrer: Option<String>,
    title: Option<String>,
    width: Option<u32>,
}

/// Stores one page view; 204 when it is on disk. The body is read as JSON
/// whatever its type: `sendBeacon` sends text.
///
/// # Errors
/// When the body is no beacon, or the view could not be stored.
pub async fn hit(
    State(state): State<AppState>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode> {
    let beacon: Beacon = serde_json::from_slice(&body)
        .map_err(|error| plain::refused("the page view", &error.to_string()))?;
    let path = page_path(&beacon.path)?;
    limit::check(&state, &headers, &peer).await?;
    let visitor = state.visitor(&headers, &peer).await?;
    let own_host = state.config.site_url.host_str();
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let hit = Hit {
        id: Uuid::now_v7(),
        at: Instant::now(),
        path,
        visitor,
        referrer: beacon.referrer.as_deref().and_then(|url| referring_host(url, own_host)),
        title: beacon.title.map(|title| title.chars().take(TITLE_MAX).collect()),
        browser: agent::browser(agent).map(str::to_owned),
        system: agent::system(agent).map(str::to_owned),
        width: beacon.width.filter(|width| (1..=WIDTH_MAX).contains(width)),
    };
    state.packer.store(hit).await.map_err(|error| Error::unavailable(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The path alone: `/posts/a/?x#y` is the page `/posts/a`.
fn page_path(path: &str) -> Result<String> {
    let bare = path.split(['?', '#']).next().unwrap_or_default();
    let bare = if bare == "/" { bare } else { bare.trim_end_matches('/') };
    if bare.starts_with('/') && bare.len() <= PATH_MAX && !bare.chars().any(char::is_control) {
        Ok(bare.to_owned())
    } else {
        Err(Error::bad_request(format!(
            "path: it begins with / and has {PATH_MAX} bytes at most, such as /posts/hello"
        )))
    }
}

/// The host of a referring page that is not ours.
fn referring_host(url: &str, own_host: Option<&str>) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let foreign = |host: &&str| Some(*host) != own_host && host.len() <= HOST_MAX;
    let host = url.host_str().filter(foreign)?;
    Some(host.trim_start_matches("www.").to_owned())
}

/// A view of the greatest size in JSON that is let in.
#[cfg(test)]
pub(super) fn largest(id: Uuid, at: Instant) -> Hit {
    Hit {
        id,
        at,
        path: page_path(&format!("/{}", "\"".repeat(PATH_MAX - 1))).expect("a path"),
        visitor: "f".repeat(32),
        referrer: Some("h".repeat(HOST_MAX)),
        title: Some("\u{1}".repeat(TITLE_MAX)),
        browser: Some("Samsung Internet".to_owned()),
        system: Some("ChromeOS".to_owned()),
        width: Some(WIDTH_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_counted_without_its_query_and_last_slash() {
        for (path, page) in [("/posts/a/?x=1#y", "/posts/a"), ("/", "/"), ("/a#b", "/a")] {
            assert_eq!(page_path(path).unwrap(), page);
        }
        for path in ["", "posts/a", "https://x/", "/a\nb", &format!("/{}", "a".repeat(500))] {
            assert!(page_path(path).is_err(), "{path:?} was taken");
        }
    }

    #[test]
    fn a_referrer_is_the_host_of_another_site() {
        let host = |url| referring_host(url, Some("me.example"));
        assert_eq!(host("https://www.you.example/a?b"), Some("you.example".to_owned()));
        assert_eq!(host("https://me.example/a"), None);
        assert_eq!(host("no url"), None);
        assert_eq!(host(&format!("https://{}.example/", "a".repeat(300))), None);
    }
}
