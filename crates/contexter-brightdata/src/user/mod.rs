//! The user name of the proxy, which says what the proxy is to do.

mod check;
mod flag;
mod name;

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub(crate) use check::{country_problem, zone_problem};
pub use flag::{Dns, RouteErr, ZoneKind};
pub use name::InvalidUserName;

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
///
/// [`FromStr`]: std::str::FromStr
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
}

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
