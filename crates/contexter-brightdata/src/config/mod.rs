//! What can be set on the adapter.

mod check;
mod proxy;
mod shown;
mod stack;

use std::time::Duration;

use contexter_config::Secret;
use contexter_resilience::RetryConfig;
use serde::{Deserialize, Serialize};

pub use proxy::ProxyConfig;

use crate::pages::WebLibrary;
use crate::serp::Engine;

/// The vendor's interface.
const BASE_URL: &str = "https://api.brightdata.com";

/// Shorter, the client gives up before the vendor's error arrives
/// (<https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>).
const TIMEOUT: Duration = Duration::from_mins(3);

/// How the services of Bright Data are reached: the section `services.brightdata`.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `api_key` | none, required unless only `proxy` is used | the key of the REST interface |
/// | `base_url` | `https://api.brightdata.com` | another address of the interface |
/// | `zone` | none | the unlocker zone: without it pages come by the proxy, or not at all |
/// | `serp_zone` | none | the search zone: without it there is no search |
/// | `customer` | none | the customer's id, for the asynchronous interface |
/// | `country` | none | the country of the visitor, two lower-case letters |
/// | `search_engine` | `google` | where a [`SearchWeb`](contexter_model::SearchWeb) searches |
/// | `proxy` | none | the native proxy, see [`ProxyConfig`] |
/// | `timeout` | 3 min | the time of one request, without the wait for the budget; the vendor asks for no less |
/// | `retry_config` | of [`StackConfig::bright_data`] | attempts and delays |
/// | `rate_limit` | none | requests a minute |
/// | `bills_failures` | `false` | whether the zone bills failures (custom headers and cookies, manual expect) |
/// | `debug` | `true` | whether to ask for `x-brd-debug`, which tells what is billed |
/// | `max_body` | 32 MiB | the largest page, in bytes |
/// | `max_snapshot` | 256 MiB | the largest snapshot or part, in bytes, decompressed |
/// | `poll_interval` | 2 s | the first pause between questions for a job; it grows up to `max_poll_interval` |
/// | `max_poll_interval` | 10 s | the longest pause, as in the vendor's Python client |
/// | `libraries` | none | web pages to be indexed, see [`WebLibrary`] |
///
/// # Examples
///
/// ```
/// use contexter_brightdata::Config;
///
/// let config: Config = serde_json::from_str(
///     r#"{
///         "api_key": "s3cret",
///         "zone": "web_unlocker1",
///         "timeout": "3m",
///         "retry_config": { "max_attempts": 4 }
///     }"#,
/// )?;
/// config.validate()?;
/// assert!(!format!("{config:?}").contains("s3cret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`StackConfig::bright_data`]: contexter_resilience::StackConfig::bright_data
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The key of the REST interface. It is sent to `base_url` alone.
    pub api_key: Option<Secret>,
    /// The address of the interface.
    pub base_url: String,
    /// The unlocker zone.
    pub zone: Option<String>,
    /// The search zone.
    pub serp_zone: Option<String>,
    /// The customer's id, which older pages of the asynchronous interface ask for.
    pub customer: Option<String>,
    /// The country of the visitor.
    pub country: Option<String>,
    /// Where a search is made.
    pub search_engine: Engine,
    /// The native proxy.
    pub proxy: Option<ProxyConfig>,
    /// The time of one request.
    #[serde(with = "contexter_service::duration")]
    pub timeout: Duration,
    /// Attempts and delays.
    pub retry_config: RetryConfig,
    /// Requests a minute.
    pub rate_limit: Option<u64>,
    /// Whether the zone bills failures.
    pub bills_failures: bool,
    /// Whether to ask for `x-brd-debug`.
    pub debug: bool,
    /// The largest page in bytes.
    pub max_body: u64,
    /// The largest snapshot or part in bytes.
    pub max_snapshot: u64,
    /// The first pause between questions for a job.
    #[serde(with = "contexter_service::duration")]
    pub poll_interval: Duration,
    /// The longest pause between questions for a job.
    #[serde(with = "contexter_service::duration")]
    pub max_poll_interval: Duration,
    /// Web pages to be indexed.
    pub libraries: Vec<WebLibrary>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: BASE_URL.to_owned(),
            zone: None,
            serp_zone: None,
            customer: None,
            country: None,
            search_engine: Engine::default(),
            proxy: None,
            timeout: TIMEOUT,
            retry_config: RetryConfig::default(),
            rate_limit: None,
            bills_failures: false,
            debug: true,
            max_body: 32 << 20,
            max_snapshot: 256 << 20,
            poll_interval: Duration::from_secs(2),
            max_poll_interval: Duration::from_secs(10),
            libraries: Vec::new(),
        }
    }
}

impl Config {
    /// The defaults, with a key.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self::default().with_api_key(api_key)
    }

    /// The defaults, with a proxy and nothing else: what needs a key of the REST interface is not there.
    #[must_use]
    pub fn proxied(proxy: ProxyConfig) -> Self {
        Self::default().with_proxy(proxy)
    }

    /// Sets the key.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the address of the interface.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the unlocker zone.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets the search zone.
    #[must_use]
    pub fn with_serp_zone(mut self, zone: impl Into<String>) -> Self {
        self.serp_zone = Some(zone.into());
        self
    }

    /// Sets the customer's id.
    #[must_use]
    pub fn with_customer(mut self, customer: impl Into<String>) -> Self {
        self.customer = Some(customer.into());
        self
    }

    /// Sets the native proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets the web pages to be indexed.
    #[must_use]
    pub fn with_libraries(mut self, libraries: impl IntoIterator<Item = WebLibrary>) -> Self {
        self.libraries = libraries.into_iter().collect();
        self
    }

    /// Sets the country of the visitor: two lower-case letters. For the native proxy it is that of its user
    /// name, where that has none.
    #[must_use]
    pub fn with_country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// Sets where a search is made.
    #[must_use]
    pub fn with_search_engine(mut self, engine: Engine) -> Self {
        self.search_engine = engine;
        self
    }

    /// Sets the time of one request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets attempts and delays.
    #[must_use]
    pub fn with_retry_config(mut self, retry: RetryConfig) -> Self {
        self.retry_config = retry;
        self
    }

    /// Sets how many requests are sent in a minute at most; no limit by default.
    #[must_use]
    pub fn with_rate_limit(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.rate_limit = requests.into();
        self
    }

    /// Sets whether the zone bills failures.
    #[must_use]
    pub fn with_bills_failures(mut self, bills: bool) -> Self {
        self.bills_failures = bills;
        self
    }

    /// Sets whether to ask for `x-brd-debug`.
    #[must_use]
    pub fn with_debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Sets the largest page, in bytes.
    #[must_use]
    pub fn with_max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets the largest snapshot or part, in bytes, decompressed.
    #[must_use]
    pub fn with_max_snapshot(mut self, bytes: u64) -> Self {
        self.max_snapshot = bytes;
        self
    }

    /// Sets the first pause between questions for a job.
    #[must_use]
    pub fn with_poll_interval(mut self, pause: Duration) -> Self {
        self.poll_interval = pause;
        self
    }

    /// Sets the longest pause between questions for a job.
    #[must_use]
    pub fn with_max_poll_interval(mut self, pause: Duration) -> Self {
        self.max_poll_interval = pause;
        self
    }
}
