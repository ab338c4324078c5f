//! The proxy's user names: which zone, and with which flags.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Office;
use super::refusal::Refusal;
use super::zones::Kind;

/// What a user of the proxy may do, and asks for.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) kind: Kind,
    pub(super) flags: Flags,
}

/// What a user name asks for, as far as it shows in an answer.
#[derive(Debug, Default)]
pub(super) struct Flags {
    pub(super) debug: bool,
    pub(super) tag: Option<String>,
}

impl Login {
    /// Reads the credentials that the proxy was shown.
    pub(super) fn read(office: &Office, headers: &HeaderMap) -> Result<Self, Refusal> {
        let none = || Refusal::proxy(407, "client_10010", "no credentials");
        let given = headers.get("proxy-authorization").ok_or_else(none)?;
        let decoded = given
            .to_str()
            .ok()
            .and_then(|given| given.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(none)?;
        let (name, password) = decoded.split_once(':').ok_or_else(none)?;
        let wrong = || Refusal::proxy(407, "client_10000", "invalid authentication");
        let rest = name.strip_prefix("brd-customer-").ok_or_else(wrong)?;
        let mut parts = rest.split('-');
        let customer = office.config.customer.as_str();
        if parts.next() != Some(customer) || parts.next() != Some("zone") {
            return Err(wrong());
        }
        let zone = parts.next().and_then(|name| office.zones.zone(name));
        let zone = zone.ok_or_else(|| Refusal::proxy(407, "client_10002", "zone not found"))?;
        if password != zone.password {
            return Err(wrong());
        }
        let flags = flags(parts);
        Ok(Self {
            kind: zone.kind,
            flags: flags.ok_or_else(|| Refusal::proxy(407, "client_10001", "malformed flag"))?,
        })
    }
}

fn flags<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Flags> {
    let mut flags = Flags::default();
    let word = |value: &str, also: fn(u8) -> bool| {
        !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || also(b))
    };
    while let Some(flag) = parts.next() {
        if matches!(flag, "const" | "direct") {
            continue;
        }
        let value = parts.next()?;
        let is_good = match flag {
            "country" => value.len() == 2 && value.bytes().all(|b| b.is_ascii_lowercase()),
            "state" | "city" | "zip" | "os" | "carrier" | "session" => word(value, |_| false),
            "asn" => value.bytes().all(|b| b.is_ascii_digit()),
            "ip" => value.parse::<std::net::Ipv4Addr>().is_ok(),
            "gip" => word(value, |b| b == b'_'),
            "dns" => matches!(value, "local" | "remote"),
            "route_err" => matches!(value, "block" | "pass_dyn"),
            "ua" => value == "mobile",
            "c_tag" => {
                flags.tag = Some(value.to_owned());
                word(value, |b| b == b'_')
            }
            "debug" => {
                flags.debug = true;
                value == "full"
            }
            _ => false,
        };
        if !is_good {
            return None;
        }
    }
    Some(flags)
}
