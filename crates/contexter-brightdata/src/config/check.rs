//! What the settings may be.

use std::time::Duration;

use contexter_config::Secret;
use contexter_service::InvalidConfig;

use super::{Config, ProxyConfig};
use crate::user::{country_problem, zone_problem};

impl Config {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once; no key and no password is in them.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let zone = |zone: Option<&String>| zone.and_then(|zone| zone_problem(zone));
        let positive = |time: Duration| {
            time.is_zero()
                .then(|| "must be longer than zero, got 0s".to_owned())
        };
        let size = |bytes: u64| (bytes == 0).then(|| "must be at least 1, got 0".to_owned());
        // The proxy has credentials of its own.
        let needs_key = self.proxy.is_none() || self.zone.is_some() || self.serp_zone.is_some();
        let without_key = needs_key && self.api_key.as_ref().is_none_or(Secret::is_empty);
        let customer_is_good = self.customer.as_ref().is_none_or(|customer| {
            (1..=64).contains(&customer.len())
                && customer
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let fetches = self.zone.is_some() || self.proxy.is_some();
        let libraries = self.libraries.iter().enumerate().map(|(index, library)| {
            let again = self
                .libraries
                .iter()
                .take(index)
                .any(|other| other.id == library.id);
            InvalidConfig::join([
                library.validate(),
                InvalidConfig::check([(
                    "id",
                    again.then(|| format!("is there twice: {}", library.id)),
                )]),
            ])
            .map_err(|faults| faults.within(&format!("libraries[{index}]")))
        });
        let checks = [
            InvalidConfig::check([
                ("api_key", without_key.then(|| "is missing".to_owned())),
                ("zone", zone(self.zone.as_ref())),
                ("serp_zone", zone(self.serp_zone.as_ref())),
                (
                    "customer",
                    (!customer_is_good).then(|| {
                        "must be letters, digits and underscores (it is not shown)".to_owned()
                    }),
                ),
                ("country", country_problem(self.country.as_deref())),
                ("timeout", positive(self.timeout)),
                (
                    "rate_limit",
                    (self.rate_limit == Some(0)).then(|| "must be at least 1, got 0".to_owned()),
                ),
                ("max_body", size(self.max_body)),
                ("max_snapshot", size(self.max_snapshot)),
                ("poll_interval", positive(self.poll_interval)),
                (
                    "max_poll_interval",
                    (self.max_poll_interval < self.poll_interval).then(|| {
                        format!(
                            "must be at least poll_interval ({:?}), got {:?}",
                            self.poll_interval, self.max_poll_interval
                        )
                    }),
                ),
                (
                    "libraries",
                    (!self.libraries.is_empty() && !fetches)
                        .then(|| "need a zone or a proxy to be fetched by".to_owned()),
                ),
            ]),
            self.proxy
                .as_ref()
                .map_or(Ok(()), ProxyConfig::validate)
                .map_err(|faults| faults.within("proxy")),
            self.stack()
                .retry
                .map_or(Ok(()), |retry| retry.validate())
                .map_err(|faults| faults.within("retry_config")),
        ];
        InvalidConfig::join(checks.into_iter().chain(libraries))
    }
}
