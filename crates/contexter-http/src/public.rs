//! Which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use contexter_model::{Error, ErrorKind};
use reqwest::Url;

use crate::target;

/// The address at which Azure's platform answers every virtual machine: outside of the private
/// ranges, and still not for others
/// (<https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>).
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The IPv4 blocks that are no ordinary hosts on the internet: address, length of the prefix.
///
/// IANA IPv4 Special-Purpose Address Registry (RFC 6890), and multicast (RFC 5771). Carrier-grade
/// NAT holds the metadata address of Alibaba Cloud, link-local that of most others.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// The blocks within IPv6's global unicast that are no ordinary hosts: address, length of the
/// prefix. IANA IPv6 Special-Purpose Address Registry (RFC 6890).
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// IPv6's global unicast: what IANA has given out so far (RFC 4291, §2.4).
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// IPv4 addresses as a translating network shows them (NAT64, RFC 6052, §2.1).
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Tells whether an address belongs to the public internet.
///
/// Not public are: private, loopback and link-local addresses, which hold the metadata services of
/// cloud providers, carrier-grade NAT, multicast, documentation, everything reserved, and the
/// platform address of Azure. An IPv4 address within an IPv6 one (mapped, or translated by NAT64)
/// counts as itself.
///
/// # Examples
///
/// ```
/// use contexter_http::is_public;
///
/// assert!(is_public("1.1.1.1".parse().unwrap()));
/// assert!(!is_public("169.254.169.254".parse().unwrap()));
/// assert!(!is_public("::ffff:10.0.0.1".parse().unwrap()));
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    address != AZURE_PLATFORM
        && !SPECIAL_V4.iter().any(|(block, prefix)| {
            let shift = 32 - prefix;
            address.to_bits() >> shift == block.to_bits() >> shift
        })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if is_in(address, NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    is_in(address, GLOBAL_UNICAST) && !SPECIAL_V6.iter().any(|block| is_in(address, *block))
}

fn is_in(address: Ipv6Addr, (block, prefix): (Ipv6Addr, u32)) -> bool {
    let shift = 128 - prefix;
    address.to_bits() >> shift == block.to_bits() >> shift
}

/// Refuses a URL that surely does not lead to the public internet.
///
/// Only `http` and `https` pass. A host that is an address, however it is spelled (`127.1`,
/// `0x7f000001`, `[::ffff:7f00:1]`), must be [public](is_public); `localhost` and the names below
/// it never pass. Other names pass: what they resolve to is known only when they are asked for,
/// see [`Config::public_only`](crate::Config::public_only).
///
/// # Errors
///
/// [`ErrorKind::Invalid`]; the text has neither credentials nor a query.
///
/// # Examples
///
/// ```
/// use contexter_http::check_public;
///
/// assert!(check_public("https://docs.rs/tokio").is_ok());
/// assert!(check_public("http://2130706433/").is_err());
/// ```
pub fn check_public(url: &str) -> Result<(), Error> {
    let url = target::parse(url)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "url {} is not allowed: expected http or https",
                target::redacted(&url)
            ),
        ));
    }
    if leads_inside(&url) {
        return Err(not_public(&url));
    }
    Ok(())
}

/// Tells whether the host of a URL is surely no host of the public internet.
pub(crate) fn leads_inside(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return true;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return !is_public(address);
    }
    let name = host.trim_end_matches('.');
    name.is_empty() || name == "localhost" || name.ends_with(".localhost")
}

pub(crate) fn not_public(url: &Url) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "url {} is not allowed: expected a host of the public internet",
            target::redacted(url)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_internet_is_known() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.255.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:192.168.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_on_the_internet_is_known() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "168.63.129.17",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_spelling_of_an_inner_address_is_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://0/",
            "https://[::1]/",
            "https://[::ffff:a9fe:a9fe]/latest",
            "http://localhost:8080/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://169.254.169.254/latest/meta-data",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "data:text/plain,hello",
            "not a url",
            "",
        ] {
            assert_eq!(
                check_public(url).map_err(|error| error.kind()),
                Err(ErrorKind::Invalid),
                "{url}"
            );
        }
        for url in [
            "https://docs.rs/",
            "http://example.org:8080/a?b=c",
            "https://8.8.8.8/",
            "https://localhost.example.org/",
        ] {
            assert!(check_public(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_refusal_shows_no_secret() {
        for url in [
            "http://user:hunter2@10.0.0.1/?key=hunter2#hunter2",
            "ftp://user:hunter2@example.org/?key=hunter2",
            "http://user:hunter2@[::1/",
        ] {
            let error = check_public(url).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    }
}
