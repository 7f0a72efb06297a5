//! Cookies: the session of a browser, and a sign-in under way.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

/// The cookie of a sign-in under way.
pub const SIGNIN: &str = "signin";

/// The name of the session's cookie. Over TLS browsers hold it to this host,
/// this path and TLS by its prefix.
#[must_use]
pub fn session_name(https: bool) -> &'static str {
    if https { "__Host-session" } else { "session" }
}

/// The value of a cookie that was sent.
#[must_use]
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = sent.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// A `Set-Cookie` that scripts cannot read and other sites cannot send along.
/// A life of zero deletes it. `value` must be plain: hexadecimal, or
/// percent-encoded.
#[must_use]
pub fn set(name: &str, value: &str, life: Duration, https: bool) -> HeaderValue {
    let secure = if https { "; Secure" } else { "" };
    let life = life.as_secs();
    let text = format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).expect("cookies are made of plain characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = HeaderMap::from_iter([
            (header::COOKIE, "xsession=1; session=2".parse().unwrap()),
            (header::COOKIE, "other=3".parse().unwrap()),
        ]);
        assert_eq!(get(&headers, "session"), Some("2"));
        assert_eq!(get(&headers, "other"), Some("3"));
        assert_eq!(get(&headers, "none"), None);
    }

    #[test]
    fn a_session_over_tls_is_held_to_this_host() {
        let cookie = set(session_name(true), "ab", Duration::from_secs(60), true);
        let expect = "__Host-session=ab; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(cookie, expect);
    }
}
