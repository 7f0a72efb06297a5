//! Which addresses the gateway may connect to.
//!
//! A name is resolved once, and the connection goes to an address that was
//! looked at: a name that resolves to something else the next time (DNS
//! rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;
use url::{Host, Url};

use super::http::FetchError;

/// The addresses at which `url` may be asked; those that are not public only
/// where `allow_private`.
///
/// # Errors
/// When the name does not resolve, or to no address that may be asked.
pub async fn resolve(url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>, FetchError> {
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(Host::Domain(name)) => {
            let unknown = |source| FetchError::Unknown { host: name.to_owned(), source };
            lookup_host((name, port)).await.map_err(unknown)?.collect()
        }
        None => Vec::new(),
    };
    let may = |at: &&SocketAddr| allow_private || is_public(at.ip());
    let allowed: Vec<SocketAddr> = found.iter().filter(may).copied().collect();
    if allowed.is_empty() {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(FetchError::Private { host, ip: found.first().map(SocketAddr::ip) });
    }
    Ok(allowed)
}

/// Whether an address is one of the public internet: not of this machine, of
/// its network, or set aside for anything else.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let set_aside = match (a, b, c) {
        // This network, private, carrier-grade NAT, loopback, link-local.
        (0 | 10 | 127, _, _)
        | (100, 64..=127, _)
        | (169, 254, _)
        | (172, 16..=31, _)
        | (192, 168, _) => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, _, _) => true,
        _ => false,
    };
    !set_aside
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4_mapped().or_else(|| behind_nat64(ip)) {
        return is_public_v4(inner);
    }
    let [a, b, ..] = ip.segments();
    let set_aside = match (a, b) {
        // Protocol assignments with Teredo, 6to4, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff) => true,
        // Of all others only these are given out: loopback, unique local,
        // link-local, multicast and the rest lie outside.
        _ => !(0x2000..=0x3fff).contains(&a),
    };
    !set_aside
}

/// The IPv4 address that a network without IPv4 reaches through NAT64.
fn behind_nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() else {
        return None;
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], public: bool) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn addresses_of_this_machine_and_its_networks_are_not_public() {
        check(&["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::"], false);
        check(&["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.1", "192.168.1.1"], false);
        check(&["169.254.169.254", "100.64.0.1", "100.127.255.255"], false);
        check(&["fe80::1", "febf::1", "fec0::1", "fc00::1", "fdff::1", "ff02::1"], false);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_judged_as_what_it_is() {
        check(&["::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"], false);
        check(&["::127.0.0.1", "2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b:1::1"], false);
        check(&["::ffff:93.184.215.14", "64:ff9b::5db8:d70e"], true);
    }

    #[test]
    fn addresses_that_are_set_aside_are_not_public() {
        check(&["192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "192.0.0.8"], false);
        check(&["224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"], false);
        check(&["2001:db8::1", "100::1", "3fff::1"], false);
    }

    #[test]
    fn all_others_are_public() {
        check(&["1.1.1.1", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.0.1"], true);
        check(&["172.32.0.1", "192.167.1.1", "11.0.0.1", "223.255.255.254"], true);
        check(&["2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"], true);
    }

    async fn refused(url: &str) -> Option<IpAddr> {
        match resolve(&url.parse().unwrap(), false).await {
            Err(FetchError::Private { ip, .. }) => ip,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_private_address_is_refused_however_it_is_written() {
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        for url in ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.1/"] {
            assert_eq!(refused(url).await, loopback, "{url}");
        }
        assert!(refused("http://localhost:1/").await.is_some());
        assert!(refused("http://[::ffff:10.0.0.1]/").await.is_some());
        let allowed = resolve(&"http://127.0.0.1:7/".parse().unwrap(), true).await.unwrap();
        assert_eq!(allowed, ["127.0.0.1:7".parse().unwrap()]);
    }
}
