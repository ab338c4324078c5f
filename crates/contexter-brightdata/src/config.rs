//! What can be set on the adapter.

use std::path::PathBuf;
use std::time::Duration;

use contexter_config::Secret;
use contexter_limit::{Quota, RateLimitConfig};
use contexter_resilience::StackConfig;
use contexter_service::{Backoff, InvalidConfig, Jitter};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::pages::WebLibrary;
use crate::serp::Engine;
use crate::target::PublicUrl;
use crate::user::{ProxyUser, country_problem, zone_problem};

/// The vendor's interface.
const BASE_URL: &str = "https://api.brightdata.com";

/// The vendor's proxy, and its port since July 2026: the certificates of 22225 and 33335 have expired
/// (<https://docs.brightdata.com/general/account/ssl-certificate-migration>).
const PROXY_HOST: &str = "brd.superproxy.io";
const PROXY_PORT: u16 = 44_445;

/// The vendor's page for tests of the proxy
/// (<https://docs.brightdata.com/proxy-networks/config-options>).
const DIAGNOSIS_URL: &str = "http://geo.brdtest.com/welcome.txt";

/// Shorter, the client gives up before the vendor's error arrives
/// (<https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>).
const TIMEOUT: Duration = Duration::from_mins(3);

/// How the services of Bright Data are reached: the section `services.brightdata`.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `api_key` | none, required | the key of the REST interface |
/// | `base_url` | `https://api.brightdata.com` | another address of the interface |
/// | `zone` | none | the unlocker zone: without it pages come by the proxy, or not at all |
/// | `serp_zone` | none | the search zone: without it there is no search |
/// | `customer` | none | the customer's id, for the asynchronous interface |
/// | `country` | none | the country of the visitor, two lower-case letters |
/// | `search_engine` | `google` | where a [`SearchWeb`](contexter_model::SearchWeb) searches |
/// | `proxy` | none | the native proxy, see [`ProxyConfig`] |
/// | `timeout` | 3 min | the time of one attempt; the vendor asks for no less |
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// The time of one attempt.
    #[serde(with = "contexter_service::duration")]
    pub timeout: Duration,
    /// Attempts and delays.
    pub retry_config: RetrySettings,
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

/// How often and how slowly calls are repeated. What is not set is as in [`StackConfig::bright_data`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetrySettings {
    /// Attempts, the first one included. Default 3.
    pub max_attempts: Option<u32>,
    /// The delay before the second attempt. Default 2 s.
    #[serde(with = "contexter_service::duration::option")]
    pub base_delay: Option<Duration>,
    /// The longest delay. Default 32 s.
    #[serde(with = "contexter_service::duration::option")]
    pub max_delay: Option<Duration>,
}

/// How the native proxy is reached.
///
/// For residential, mobile, unlocker and search zones the vendor re-signs the traffic with its own
/// certificate, which has to be given then (<https://brightdata.com/static/brightdata_proxy_ca.zip>). It
/// is trusted by the proxy's client alone; the check of certificates is never switched off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// The host. Default `brd.superproxy.io`.
    pub host: String,
    /// The port. Default 44445.
    pub port: u16,
    /// The parts of the user name.
    pub user: ProxyUser,
    /// The zone's password.
    pub password: Secret,
    /// The vendor's certificate as PEM.
    pub ca: Option<String>,
    /// A file with the vendor's certificate as PEM, in place of `ca`. It is read when the adapter is
    /// made.
    pub ca_file: Option<PathBuf>,
    /// A plain page of the public web, asked for once when a tunnel cannot be opened, to learn why.
    /// Default `http://geo.brdtest.com/welcome.txt`.
    pub diagnosis_url: String,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            host: PROXY_HOST.to_owned(),
            port: PROXY_PORT,
            user: ProxyUser::default(),
            password: Secret::from(""),
            ca: None,
            ca_file: None,
            diagnosis_url: DIAGNOSIS_URL.to_owned(),
        }
    }
}

impl ProxyConfig {
    /// The defaults, with what has none.
    pub fn new(user: ProxyUser, password: impl Into<Secret>) -> Self {
        Self {
            user,
            password: password.into(),
            ..Self::default()
        }
    }

    /// Sets where the proxy is.
    #[must_use]
    pub fn at(mut self, host: impl Into<String>, port: u16) -> Self {
        self.host = host.into();
        self.port = port;
        self
    }

    /// Sets the vendor's certificate.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Sets the page that is asked for when a tunnel cannot be opened.
    #[must_use]
    pub fn diagnosis_url(mut self, url: impl Into<String>) -> Self {
        self.diagnosis_url = url.into();
        self
    }

    /// Returns the address as the client takes it. To the proxy itself the vendor speaks plain HTTP.
    pub(crate) fn address(&self) -> String {
        let host = &self.host;
        let is_v6 = host.contains(':') && !host.starts_with('[');
        if is_v6 {
            format!("http://[{host}]:{}", self.port)
        } else {
            format!("http://{host}:{}", self.port)
        }
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        let host_is_good = Url::parse(&self.address()).is_ok_and(|url| {
            url.has_host()
                && url.path() == "/"
                && url.username().is_empty()
                && url.query().is_none()
        });
        let diagnosis = match self.diagnosis_url.parse::<PublicUrl>() {
            Ok(url) if url.url().scheme() == "http" => None,
            Ok(_) => Some("must be an http:// address, which needs no tunnel".to_owned()),
            Err(error) => Some(error.message().to_owned()),
        };
        InvalidConfig::join([
            InvalidConfig::check([
                (
                    "host",
                    (!host_is_good).then(|| {
                        format!(
                            "must be a host name or an address, got {:?}",
                            brief(&self.host)
                        )
                    }),
                ),
                (
                    "port",
                    (self.port == 0).then(|| "must be 1 to 65535, got 0".to_owned()),
                ),
                (
                    "password",
                    self.password.is_empty().then(|| "is missing".to_owned()),
                ),
                (
                    "ca_file",
                    (self.ca.is_some() && self.ca_file.is_some())
                        .then(|| "cannot be set together with ca".to_owned()),
                ),
                ("diagnosis_url", diagnosis),
            ]),
            self.user.validate().map_err(|faults| faults.within("user")),
        ])
    }
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
            retry_config: RetrySettings::default(),
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
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self {
            api_key: Some(api_key.into()),
            ..Self::default()
        }
    }

    /// Sets the address of the interface.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the unlocker zone.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets the search zone.
    #[must_use]
    pub fn serp_zone(mut self, zone: impl Into<String>) -> Self {
        self.serp_zone = Some(zone.into());
        self
    }

    /// Sets the customer's id.
    #[must_use]
    pub fn customer(mut self, customer: impl Into<String>) -> Self {
        self.customer = Some(customer.into());
        self
    }

    /// Sets the native proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets the web pages to be indexed.
    #[must_use]
    pub fn libraries(mut self, libraries: impl IntoIterator<Item = WebLibrary>) -> Self {
        self.libraries = libraries.into_iter().collect();
        self
    }

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
        let without_key = self.api_key.as_ref().is_none_or(Secret::is_empty);
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

    /// Returns the settings of the stack: those of [`StackConfig::bright_data`], with `timeout`,
    /// `retry_config` and `rate_limit` laid over them.
    #[must_use]
    pub fn stack(&self) -> StackConfig {
        let mut stack = StackConfig::bright_data().attempt_timeout(self.timeout);
        if let Some(deadline) = stack.deadline {
            // Room for two attempts at least.
            stack.deadline = Some(deadline.max(self.timeout.saturating_mul(2)));
        }
        if let Some(retry) = &mut stack.retry {
            let set = self.retry_config;
            if let Some(attempts) = set.max_attempts {
                retry.max_attempts = attempts;
            }
            if let Some(delay) = set.base_delay {
                retry.base_delay = delay;
                retry.max_delay = retry.max_delay.max(delay);
            }
            if let Some(delay) = set.max_delay {
                retry.max_delay = delay;
            }
        }
        if let Some(requests) = self.rate_limit.filter(|requests| *requests > 0) {
            stack.rate_limit = Some(
                RateLimitConfig::new()
                    .requests(Quota::per_minute(requests))
                    .max_wait(self.timeout),
            );
        }
        stack
    }

    pub(crate) fn polling(&self) -> Result<Backoff, InvalidConfig> {
        Ok(
            Backoff::exponential(self.poll_interval, self.max_poll_interval, POLL_GROWTH)?
                .with_jitter(Jitter::None),
        )
    }
}

/// By how much a pause between questions is longer than the one before.
const POLL_GROWTH: f64 = 1.5;

fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}
