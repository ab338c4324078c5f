//! The user name of the proxy, which says what the proxy is to do.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;
use std::str::FromStr;

use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};

/// The longest value of a flag, in bytes. The vendor names no limit; user names are sent in a header
/// with every connection.
const MAX_VALUE: usize = 64;

/// What the vendor's own client accepts as the length of a zone's name
/// (npm `@brightdata/sdk` 0.2.0).
const ZONE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;

/// What kind of addresses a zone has; it decides which flags its user name may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZoneKind {
    /// Addresses of homes: every place flag is allowed.
    Residential,
    /// Addresses of mobile networks: every place flag is allowed.
    Mobile,
    /// Addresses of data centres: of the place flags only the country.
    Datacenter,
    /// Addresses of internet providers: of the place flags only the country.
    Isp,
    /// The unlocker or the search zone in its form as a proxy: of the place flags only the country.
    Unlocker,
}

/// Where names are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dns {
    /// At the super proxy.
    Local,
    /// At the peer.
    Remote,
}

/// What happens when the chosen peer cannot reach the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteErr {
    /// The request fails, instead of going out from the super proxy.
    Block,
    /// The request goes out from another peer.
    PassDyn,
}

/// The parts of the proxy's user name.
///
/// ```text
/// brd-customer-<customer>-zone-<zone>[-flag[-value]]…
/// ```
///
/// Because a hyphen separates the parts, none may hold one: [`name`](Self::name) refuses whatever the
/// vendor would read differently, and [`FromStr`] reads a name back into the same parts. `Debug` does
/// not show the customer.
///
/// | part | allowed |
/// |---|---|
/// | `customer` | letters, digits and underscores |
/// | `zone` | 3 to 63 lower-case letters, digits and underscores, none of these at either end |
/// | `country` | two lower-case letters |
/// | `state`, `city`, `zip`, `asn`, `os`, `carrier` | letters and digits; residential and mobile zones only |
/// | `session` | letters and digits |
/// | `ip`, `gip` | one of them |
/// | `const`, `direct` | one of them |
/// | `c_tag` | letters, digits and underscores |
///
/// Sources: <https://docs.brightdata.com/proxy-networks/config-options>, npm `@brightdata/sdk` 0.2.0.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::ProxyUser;
///
/// let user = ProxyUser::new("hl_12345", "residential1").country("de").session("a1b2c3");
/// assert_eq!(
///     user.name()?,
///     "brd-customer-hl_12345-zone-residential1-country-de-session-a1b2c3",
/// );
/// assert!(ProxyUser::new("hl_12345", "residential1").session("a-b").name().is_err());
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags that are there or not, as the vendor has them"
)]
pub struct ProxyUser {
    /// The customer's id. No default.
    pub customer: String,
    /// The zone. No default.
    pub zone: String,
    /// What kind of zone it is, to refuse flags that it does not take; not part of the name. Default:
    /// not known, and every flag is allowed.
    pub kind: Option<ZoneKind>,
    /// The country of the peer.
    pub country: Option<String>,
    /// The state of the peer.
    pub state: Option<String>,
    /// The city of the peer, without spaces.
    pub city: Option<String>,
    /// The postal code of the peer.
    pub zip: Option<String>,
    /// The number of the peer's network.
    pub asn: Option<u32>,
    /// The operating system of the peer.
    pub os: Option<String>,
    /// The mobile carrier of the peer.
    pub carrier: Option<String>,
    /// Requests of one session go out from one peer, as long as it is there.
    pub session: Option<String>,
    /// One address of a static pool.
    pub ip: Option<Ipv4Addr>,
    /// One group of addresses of a static pool.
    pub gip: Option<String>,
    /// Where names are resolved.
    pub dns: Option<Dns>,
    /// What happens when the peer cannot reach the target.
    pub route_err: Option<RouteErr>,
    /// Whether to fail rather than to change the peer of a session.
    #[serde(rename = "const")]
    pub keep_peer: bool,
    /// Whether the request goes out from the super proxy itself.
    pub direct: bool,
    /// Whether to present a mobile browser.
    pub mobile_ua: bool,
    /// A tag that comes back in the header `x-brd-c_tag`.
    pub c_tag: Option<String>,
    /// Whether the answer says in `x-brd-debug` what was done and billed.
    pub debug: bool,
}

impl ProxyUser {
    /// Begins a name with its two parts that are always there.
    pub fn new(customer: impl Into<String>, zone: impl Into<String>) -> Self {
        Self {
            customer: customer.into(),
            zone: zone.into(),
            ..Self::default()
        }
    }

    /// Says what kind of zone it is.
    #[must_use]
    pub fn kind(mut self, kind: ZoneKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Sets the country of the peer.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// Sets the state of the peer.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Sets the city of the peer.
    #[must_use]
    pub fn city(mut self, city: impl Into<String>) -> Self {
        self.city = Some(city.into());
        self
    }

    /// Sets the postal code of the peer.
    #[must_use]
    pub fn zip(mut self, zip: impl Into<String>) -> Self {
        self.zip = Some(zip.into());
        self
    }

    /// Sets the number of the peer's network.
    #[must_use]
    pub fn asn(mut self, asn: u32) -> Self {
        self.asn = Some(asn);
        self
    }

    /// Sets the operating system of the peer.
    #[must_use]
    pub fn os(mut self, os: impl Into<String>) -> Self {
        self.os = Some(os.into());
        self
    }

    /// Sets the mobile carrier of the peer.
    #[must_use]
    pub fn carrier(mut self, carrier: impl Into<String>) -> Self {
        self.carrier = Some(carrier.into());
        self
    }

    /// Sets the session.
    #[must_use]
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets the address of a static pool.
    #[must_use]
    pub fn ip(mut self, ip: Ipv4Addr) -> Self {
        self.ip = Some(ip);
        self
    }

    /// Sets the group of addresses of a static pool.
    #[must_use]
    pub fn gip(mut self, gip: impl Into<String>) -> Self {
        self.gip = Some(gip.into());
        self
    }

    /// Sets where names are resolved.
    #[must_use]
    pub fn dns(mut self, dns: Dns) -> Self {
        self.dns = Some(dns);
        self
    }

    /// Sets what happens when the peer cannot reach the target.
    #[must_use]
    pub fn route_err(mut self, route_err: RouteErr) -> Self {
        self.route_err = Some(route_err);
        self
    }

    /// Fails rather than to change the peer of a session.
    #[must_use]
    pub fn keep_peer(mut self) -> Self {
        self.keep_peer = true;
        self
    }

    /// Sends from the super proxy itself.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// Presents a mobile browser.
    #[must_use]
    pub fn mobile_ua(mut self) -> Self {
        self.mobile_ua = true;
        self
    }

    /// Sets the tag that comes back with the answer.
    #[must_use]
    pub fn c_tag(mut self, tag: impl Into<String>) -> Self {
        self.c_tag = Some(tag.into());
        self
    }

    /// Asks for `x-brd-debug`.
    #[must_use]
    pub fn debug(mut self) -> Self {
        self.debug = true;
        self
    }

    /// Checks every part.
    ///
    /// # Errors
    ///
    /// Returns all faults at once; the customer is in none of them.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let only_country = matches!(
            self.kind,
            Some(ZoneKind::Datacenter | ZoneKind::Isp | ZoneKind::Unlocker)
        );
        let place = |given: Option<&String>| {
            let given = given?;
            if only_country {
                return Some("is taken by residential and mobile zones only".to_owned());
            }
            word(Some(given), false)
        };
        let customer = (!is_word(&self.customer, true))
            .then(|| "must be letters, digits and underscores (it is not shown)".to_owned());
        InvalidConfig::check([
            ("customer", customer),
            ("zone", zone_problem(&self.zone)),
            ("country", country_problem(self.country.as_deref())),
            ("state", place(self.state.as_ref())),
            ("city", place(self.city.as_ref())),
            ("zip", place(self.zip.as_ref())),
            (
                "asn",
                (self.asn.is_some() && only_country)
                    .then(|| "is taken by residential and mobile zones only".to_owned()),
            ),
            ("os", place(self.os.as_ref())),
            ("carrier", place(self.carrier.as_ref())),
            ("session", word(self.session.as_ref(), false)),
            (
                "gip",
                word(self.gip.as_ref(), true).or_else(|| {
                    (self.gip.is_some() && self.ip.is_some())
                        .then(|| "cannot be set together with ip".to_owned())
                }),
            ),
            (
                "direct",
                (self.direct && self.keep_peer)
                    .then(|| "cannot be set together with const: one skips the peer".to_owned()),
            ),
            ("c_tag", word(self.c_tag.as_ref(), true)),
        ])
    }

    /// Returns the user name.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn name(&self) -> Result<String, InvalidConfig> {
        self.validate()?;
        let mut name = format!("brd-customer-{}-zone-{}", self.customer, self.zone);
        let mut flag = |flag: &str, value: Option<&dyn fmt::Display>| {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = write!(name, "-{flag}-{value}");
            }
        };
        flag("country", shown(&self.country));
        flag("state", shown(&self.state));
        flag("city", shown(&self.city));
        flag("zip", shown(&self.zip));
        flag("asn", shown(&self.asn));
        flag("os", shown(&self.os));
        flag("carrier", shown(&self.carrier));
        flag("session", shown(&self.session));
        flag("ip", shown(&self.ip));
        flag("gip", shown(&self.gip));
        let dns = self.dns.map(|dns| match dns {
            Dns::Local => "local",
            Dns::Remote => "remote",
        });
        flag("dns", shown(&dns));
        let route_err = self.route_err.map(|route_err| match route_err {
            RouteErr::Block => "block",
            RouteErr::PassDyn => "pass_dyn",
        });
        flag("route_err", shown(&route_err));
        flag("ua", shown(&self.mobile_ua.then_some("mobile")));
        flag("c_tag", shown(&self.c_tag));
        flag("debug", shown(&self.debug.then_some("full")));
        if self.keep_peer {
            name.push_str("-const");
        }
        if self.direct {
            name.push_str("-direct");
        }
        Ok(name)
    }
}

/// Reads a user name; the parts come out as [`ProxyUser::name`] takes them.
impl FromStr for ProxyUser {
    type Err = InvalidUserName;

    fn from_str(name: &str) -> Result<Self, InvalidUserName> {
        let bad = |problem: &'static str| InvalidUserName { problem };
        if name.len() > MAX_NAME {
            return Err(bad("is too long"));
        }
        let rest = name
            .strip_prefix("brd-customer-")
            .ok_or_else(|| bad("must begin with brd-customer-"))?;
        let mut parts = rest.split('-');
        let mut next = || parts.next();
        let customer = next().unwrap_or_default();
        if next() != Some("zone") {
            return Err(bad("must have -zone- after the customer"));
        }
        let mut user = Self::new(customer, next().unwrap_or_default());
        let mut seen: Vec<&str> = Vec::new();
        while let Some(flag) = next() {
            if seen.contains(&flag) {
                return Err(bad("has a flag twice"));
            }
            seen.push(flag);
            if flag == "const" {
                user.keep_peer = true;
                continue;
            }
            if flag == "direct" {
                user.direct = true;
                continue;
            }
            let value = next().ok_or_else(|| bad("ends with a flag that lacks its value"))?;
            let text = || Some(value.to_owned());
            match flag {
                "country" => user.country = text(),
                "state" => user.state = text(),
                "city" => user.city = text(),
                "zip" => user.zip = text(),
                "asn" => {
                    let asn: u32 = value
                        .parse()
                        .map_err(|_no_number| bad("has an asn that is no number"))?;
                    if asn.to_string() != value {
                        return Err(bad("has an asn with leading characters"));
                    }
                    user.asn = Some(asn);
                }
                "os" => user.os = text(),
                "carrier" => user.carrier = text(),
                "session" => user.session = text(),
                "ip" => {
                    user.ip = Some(
                        value
                            .parse()
                            .map_err(|_no_address| bad("has an ip that is no IPv4 address"))?,
                    );
                }
                "gip" => user.gip = text(),
                "dns" => {
                    user.dns = Some(match value {
                        "local" => Dns::Local,
                        "remote" => Dns::Remote,
                        _ => return Err(bad("has a dns that is neither local nor remote")),
                    });
                }
                "route_err" => {
                    user.route_err = Some(match value {
                        "block" => RouteErr::Block,
                        "pass_dyn" => RouteErr::PassDyn,
                        _ => return Err(bad("has a route_err that is neither block nor pass_dyn")),
                    });
                }
                "ua" if value == "mobile" => user.mobile_ua = true,
                "c_tag" => user.c_tag = text(),
                "debug" if value == "full" => user.debug = true,
                _ => return Err(bad("has a flag that is not known")),
            }
        }
        user.validate()
            .map_err(|_names_the_part| bad("has a part that is not allowed"))?;
        Ok(user)
    }
}

/// Longer than any name of parts that are allowed.
const MAX_NAME: usize = 2048;

/// Shows everything but the customer.
impl fmt::Debug for ProxyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUser")
            .field("zone", &self.zone)
            .field("country", &self.country)
            .field("session", &self.session.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// The error returned for a text that is no user name of the proxy. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy's user name {problem}")]
pub struct InvalidUserName {
    problem: &'static str,
}

#[expect(
    clippy::ref_option,
    reason = "the parts are fields that may be missing"
)]
fn shown<T: fmt::Display>(value: &Option<T>) -> Option<&dyn fmt::Display> {
    value.as_ref().map(|value| value as &dyn fmt::Display)
}

/// Returns what is wrong with the name of a zone.
pub(crate) fn zone_problem(zone: &str) -> Option<String> {
    let is_good = ZONE_LENGTHS.contains(&zone.len())
        && zone
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !zone.starts_with('_')
        && !zone.ends_with('_');
    (!is_good).then(|| {
        format!(
            "must be 3 to 63 lower-case letters, digits and underscores, no underscore at either \
             end, got {:?}",
            zone.chars().take(80).collect::<String>()
        )
    })
}

/// Returns what is wrong with a country.
pub(crate) fn country_problem(country: Option<&str>) -> Option<String> {
    let country = country?;
    let is_good = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase());
    (!is_good).then(|| {
        format!(
            "must be two lower-case letters, got {:?}",
            country.chars().take(20).collect::<String>()
        )
    })
}

fn word(value: Option<&String>, underscores: bool) -> Option<String> {
    let value = value?;
    (!is_word(value, underscores)).then(|| {
        format!(
            "must be 1 to {MAX_VALUE} letters{} digits, got {:?}",
            if underscores {
                ", underscores and"
            } else {
                " and"
            },
            value.chars().take(80).collect::<String>()
        )
    })
}

fn is_word(value: &str, underscores: bool) -> bool {
    (1..=MAX_VALUE).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || (underscores && byte == b'_'))
}
