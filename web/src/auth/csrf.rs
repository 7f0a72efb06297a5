//! Forms of other sites are not carried out here.
//!
//! Browsers say where an unsafe request comes from: by `Sec-Fetch-Site` where
//! the site is reached over TLS or on the same machine, else by `Origin` or
//! `Referer`. A client that says nothing is no browser, so there is nobody
//! whose cookies another site could misuse.

use axum::http::{HeaderMap, Method, header};
use url::Url;

/// Whether the request may be carried out.
#[must_use]
pub fn allows(method: &Method, headers: &HeaderMap, site: &Url) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // Browsers never send a token by themselves.
    if safe || headers.contains_key(header::AUTHORIZATION) {
        return true;
    }
    if let Some(from) = text(headers, "sec-fetch-site") {
        return matches!(from, "same-origin" | "none");
    }
    match text(headers, "origin").or_else(|| text(headers, "referer")) {
        Some(from) => is_ours(from, text(headers, "host"), site),
        None => true,
    }
}

/// Whether an address is of this site: as it is configured, or as the request
/// names it. `null` and the like are nobody's.
fn is_ours(from: &str, host: Option<&str>, site: &Url) -> bool {
    let Ok(from) = Url::parse(from) else {
        return false;
    };
    from.origin() == site.origin() || authority(&from).as_deref() == host
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], expect: bool) {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>();
        let site = Url::parse("https://me.example").unwrap();
        assert_eq!(allows(&Method::POST, &headers, &site), expect, "{pairs:?}");
        assert!(allows(&Method::GET, &headers, &site), "reading is always allowed");
    }

    #[test]
    fn the_browsers_own_word_decides() {
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://you.example")], true);
        check(&[("sec-fetch-site", "none")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "https://me.example")], false);
        check(&[("sec-fetch-site", "same-site")], false);
    }

    #[test]
    fn without_it_origin_or_referer_does() {
        check(&[("origin", "https://me.example")], true);
        check(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true);
        check(&[("origin", "https://you.example"), ("host", "me.example")], false);
        check(&[("origin", "null"), ("host", "me.example")], false);
        check(&[("referer", "https://me.example/posts/a")], true);
        check(&[("referer", "https://you.example/")], false);
    }

    #[test]
    fn programs_are_not_browsers() {
        check(&[], true);
        check(&[("authorization", "Bearer x"), ("origin", "https://you.example")], true);
    }
}
