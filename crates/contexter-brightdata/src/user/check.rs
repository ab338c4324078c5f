//! What the parts of the user name may be.

use contexter_service::InvalidConfig;

use super::{ProxyUser, ZoneKind};

/// The longest value of a flag, in bytes. The vendor names no limit; user names are sent in a header
/// with every connection.
const MAX_VALUE: usize = 64;

/// What the vendor's own client accepts as the length of a zone's name
/// (npm `@brightdata/sdk` 0.2.0).
const ZONE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;

impl ProxyUser {
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
