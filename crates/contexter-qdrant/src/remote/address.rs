//! Addresses of servers.

use std::net::IpAddr;

use super::config::GRPC_PORT;

/// The parts of an address.
#[derive(Debug)]
pub(super) struct Address<'a> {
    pub(super) tls: bool,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl<'a> Address<'a> {
    /// Takes an address apart; `None` if it has anything besides scheme, host and port.
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let (tls, rest) = match url.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':')?)
        } else {
            let (host, port) = rest.split_once(':')?;
            if host.is_empty() || !host.bytes().all(host_byte) {
                return None;
            }
            (host, port)
        };
        let port = port.parse().ok().filter(|&port| port != 0)?;
        Some(Self { tls, host, port })
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// Adds the gRPC port to an address without one.
pub(super) fn with_port(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let after_host = authority
        .rsplit_once(']')
        .map_or(authority, |(_, rest)| rest);
    if after_host.contains(':') {
        url.to_owned()
    } else {
        format!("{url}:{GRPC_PORT}")
    }
}
