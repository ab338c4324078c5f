//! The settings as `Debug` shows them.

use std::fmt;

use super::Config;

/// Without the customer, by whose name visitors go; keys and passwords show none themselves.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("api_key", &self.api_key)
            .field("base_url", &self.base_url)
            .field("zone", &self.zone)
            .field("serp_zone", &self.serp_zone)
            .field("customer", &self.customer.as_ref().map(|_| "…"))
            .field("country", &self.country)
            .field("search_engine", &self.search_engine)
            .field("proxy", &self.proxy)
            .field("timeout", &self.timeout)
            .field("retry_config", &self.retry_config)
            .field("rate_limit", &self.rate_limit)
            .field("bills_failures", &self.bills_failures)
            .field("debug", &self.debug)
            .field("max_body", &self.max_body)
            .field("max_snapshot", &self.max_snapshot)
            .field("poll_interval", &self.poll_interval)
            .field("max_poll_interval", &self.max_poll_interval)
            .field("libraries", &self.libraries)
            .finish()
    }
}
