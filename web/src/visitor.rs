//! Who is asking, without knowing who it is.
//!
//! A visitor is a hash of address and user agent, salted with random bytes
//! that are destroyed after two days. The address itself is never stored and
//! never logged.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use shared::db::{self, Ttl, ttl};
use shared::time::Instant;

use crate::error::Error;

/// Hexadecimal digits of a visitor's hash.
const HASH_DIGITS: usize = 32;
const DAY_MS: i64 = 86_400_000;

/// The other end of the connection: a visitor, or a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let info = info.ok_or_else(|| Error::Internal("the connection has no address".into()))?;
        Ok(Self(info.0.ip()))
    }
}

/// The visitor's own address: the peer's, or, when the peer is a trusted
/// proxy, the last one in `X-Forwarded-For` that is no trusted proxy.
#[must_use]
pub fn client_address(headers: &HeaderMap, peer: Peer, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.0.to_canonical();
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in forwarded.into_iter().rev() {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        // What a trusted proxy could not read is not believed either.
        let Some(next) = parse_hop(hop.trim()) else {
            break;
        };
        address = next;
    }
    address
}

/// An address of `X-Forwarded-For`, which some proxies write with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    let address =
        address.or_else(|| hop.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address| address.to_canonical())
}

/// The salt of the day, kept in memory once it was read.
pub struct Salts {
    ttl: Ttl,
    today: Mutex<Option<(i64, Arc<[u8]>)>>,
}

impl Salts {
    /// Salts from `ttl.db`.
    #[must_use]
    pub fn new(ttl: Ttl) -> Self {
        Self { ttl, today: Mutex::default() }
    }

    /// The salt of this day.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub async fn today(&self) -> Result<Arc<[u8]>, db::Error> {
        let now = Instant::now();
        let day = now.millis().div_euclid(DAY_MS);
        if let Some(salt) = self.known(day) {
            return Ok(salt);
        }
        let salt: Arc<[u8]> = ttl::salt(&self.ttl, now, shared::signin::random()).await?.into();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        *today = Some((day, Arc::clone(&salt)));
        Ok(salt)
    }

    fn known(&self, day: i64) -> Option<Arc<[u8]>> {
        let today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        today.as_ref().filter(|(of, _)| *of == day).map(|(_, salt)| Arc::clone(salt))
    }
}

/// The visitor's hash: address and user agent under the salt of the day.
#[must_use]
pub fn visitor_hash(salt: &[u8], address: IpAddr, headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
    hash(&[salt, b"visitor", address.to_string().as_bytes(), agent])
}

/// What limits are counted by: the address alone, of IPv6 the /64 that one
/// household has.
#[must_use]
pub fn limit_hash(salt: &[u8], address: IpAddr) -> String {
    let network = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    };
    hash(&[salt, b"limit", &network])
}

fn hash(parts: &[&[u8]]) -> String {
    let mut state = Sha256::new();
    for part in parts {
        state.update((part.len() as u64).to_le_bytes());
        state.update(part);
    }
    let hex: String = state.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..HASH_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expect: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/24".parse().unwrap()];
        let address = client_address(&headers, Peer(peer.parse().unwrap()), &trusted);
        assert_eq!(address, expect.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_stranger_cannot_say_that_it_is_somebody_else() {
        check("203.0.113.9", &["1.2.3.4"], "203.0.113.9");
        check("127.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_looked_through() {
        check("127.0.0.1", &[], "127.0.0.1");
        check("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9", "10.0.0.2"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9");
        check("127.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
        check("127.0.0.1", &["2001:db8::1"], "2001:db8::1");
        check("127.0.0.1", &["nonsense"], "127.0.0.1");
    }

    #[test]
    fn a_visitor_is_an_address_with_a_browser_and_another_one_tomorrow() {
        let address = "203.0.113.9".parse().unwrap();
        let mut headers = HeaderMap::new();
        let plain = visitor_hash(b"salt", address, &headers);
        headers.insert(header::USER_AGENT, "Firefox".parse().unwrap());
        let firefox = visitor_hash(b"salt", address, &headers);
        assert_eq!(plain.len(), HASH_DIGITS);
        assert_ne!(plain, firefox);
        assert_ne!(firefox, visitor_hash(b"pepper", address, &headers));
    }

    #[test]
    fn limits_count_a_household_however_its_browser_is_called() {
        let limit = |address: &str| limit_hash(b"salt", address.parse().unwrap());
        assert_eq!(limit("2001:db8:1:2::1"), limit("2001:db8:1:2::ffff"));
        assert_ne!(limit("2001:db8:1:2::1"), limit("2001:db8:1:3::1"));
        assert_ne!(limit("203.0.113.9"), limit("203.0.113.10"));
    }
}
