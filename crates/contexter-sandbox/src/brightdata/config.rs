//! What the Bright Data servers take and hold.

use std::time::Duration;

use crate::error::Error;

/// The settings of the Bright Data servers.
///
/// | setting | default |
/// |---|---|
/// | [`api_key`](Self::api_key) | a fixed one |
/// | [`customer`](Self::customer), [`zone_password`](Self::zone_password) | fixed ones |
/// | [`zone`](Self::zone), [`serp_zone`](Self::serp_zone) | `web_unlocker1`, `serp_api1` |
/// | [`requests_per_minute`](Self::requests_per_minute) | no limit |
/// | [`job_time`](Self::job_time) | 300 ms |
/// | [`slow_page`](Self::slow_page) | 2 s |
/// | [`paid_features`](Self::paid_features) | off |
#[derive(Clone)]
pub struct BrightDataConfig {
    pub(super) api_key: String,
    pub(super) customer: String,
    pub(super) zone: String,
    pub(super) serp_zone: String,
    pub(super) zone_password: String,
    pub(super) requests_per_minute: Option<u32>,
    pub(super) job_time: Duration,
    pub(super) slow_page: Duration,
    pub(super) paid_features: bool,
}

impl Default for BrightDataConfig {
    fn default() -> Self {
        Self {
            api_key: "brd-sandbox-0123456789".to_owned(),
            customer: "hl_sandbox".to_owned(),
            zone: "web_unlocker1".to_owned(),
            serp_zone: "serp_api1".to_owned(),
            zone_password: "sandbox-zone-password".to_owned(),
            requests_per_minute: None,
            job_time: Duration::from_millis(300),
            slow_page: Duration::from_secs(2),
            paid_features: false,
        }
    }
}

impl BrightDataConfig {
    /// Creates the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key of the REST interface.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets the customer's id, for the proxy.
    #[must_use]
    pub fn customer(mut self, customer: impl Into<String>) -> Self {
        self.customer = customer.into();
        self
    }

    /// Sets the unlocker zone, which is that of the proxy's URL too.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Sets the search zone.
    #[must_use]
    pub fn serp_zone(mut self, zone: impl Into<String>) -> Self {
        self.serp_zone = zone.into();
        self
    }

    /// Sets the password of the unlocker zone, for the proxy. Other zones have one of their own, which
    /// `GET /zone/passwords` tells.
    #[must_use]
    pub fn zone_password(mut self, password: impl Into<String>) -> Self {
        self.zone_password = password.into();
        self
    }

    /// Limits requests; more are refused with 429, and 25 such refusals in five minutes block the
    /// caller, as at the vendor. Opening a tunnel of the proxy is one, and so is each that travels in it.
    #[must_use]
    pub fn requests_per_minute(mut self, limit: u32) -> Self {
        self.requests_per_minute = Some(limit);
        self
    }

    /// Sets how long asynchronous requests and the jobs of data sets take.
    #[must_use]
    pub fn job_time(mut self, time: Duration) -> Self {
        self.job_time = time;
        self
    }

    /// Sets how long the page `/slow` takes.
    #[must_use]
    pub fn slow_page(mut self, time: Duration) -> Self {
        self.slow_page = time;
        self
    }

    /// Gives the zone "custom headers & cookies" and "manual expect"; failures are billed then.
    #[must_use]
    pub fn paid_features(mut self, on: bool) -> Self {
        self.paid_features = on;
        self
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !is_word(&self.customer) || !is_word(&self.zone) || !is_word(&self.serp_zone) {
            return Err(Error::Invalid(
                "brightdata: customer and zones must be letters, digits and underscores".to_owned(),
            ));
        }
        if self.zone == self.serp_zone {
            return Err(Error::Invalid(
                "brightdata: the search zone must be another than the unlocker zone".to_owned(),
            ));
        }
        if self.api_key.is_empty() || self.zone_password.is_empty() {
            return Err(Error::Invalid(
                "brightdata: the key and the password must not be empty".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Without key and password.
impl std::fmt::Debug for BrightDataConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrightDataConfig")
            .field("zone", &self.zone)
            .field("serp_zone", &self.serp_zone)
            .field("requests_per_minute", &self.requests_per_minute)
            .finish_non_exhaustive()
    }
}
