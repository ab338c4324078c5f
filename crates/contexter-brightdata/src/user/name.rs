//! The user name as one word: written, and read back.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use contexter_service::InvalidConfig;

use super::{Dns, ProxyUser, RouteErr};

impl ProxyUser {
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
