//! What can be set on the adapter.

use std::time::Duration;

use contexter_config::Secret;
use contexter_fallback::CacheConfig;
use contexter_limit::{Quota, RateLimitConfig};
use contexter_resilience::{RetryConfig, StackConfig};
use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};

use crate::config_docs::DocsConfig;

/// Where the API is unless told otherwise.
///
/// Source: `docs/openapi.json` of <https://github.com/upstash/context7>.
pub const DEFAULT_BASE_URL: &str = "https://context7.com/api";

/// What keys begin with. A key that does not is used all the same, with a warning, as the vendor's
/// own client does.
pub const KEY_PREFIX: &str = "ctx7sk";

/// How a [`Context7Adapter`](crate::Context7Adapter) reaches Context7, and what it asks for.
///
/// As a section of a configuration it is as short as
///
/// ```yaml
/// services:
///   context7:
///     api_key_file: /run/secrets/context7
///     retry_config: { max_attempts: 4 }
/// ```
///
/// # Examples
///
/// ```
/// use contexter_context7::Config;
///
/// let config = Config::new("ctx7sk-example");
/// config.validate()?;
/// assert!(!format!("{config:?}").contains("ctx7sk-example"));
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The key. Default none: calls are anonymous, with a low allowance that is counted by address
    /// and shared with whoever has the same one.
    pub api_key: Option<Secret>,
    /// Where the API is; it ends in `/api`. Default [`DEFAULT_BASE_URL`].
    pub base_url: String,
    /// How long one attempt may take. Default 30 s: no normal call of the vendor takes longer.
    #[serde(with = "contexter_service::duration")]
    pub timeout: Duration,
    /// How many calls there may be in a minute. Default none: the allowance is monthly.
    pub rate_limit: Option<u64>,
    /// How failed calls are repeated. Default the preset [`StackConfig::context7`].
    pub retry_config: RetryConfig,
    /// The longest wait that the service may ask for. A call that is told to wait longer ends as
    /// [`QuotaExhausted`](contexter_model::ErrorKind::QuotaExhausted): so long a wait means a
    /// used-up monthly allowance. Default 60 s.
    #[serde(with = "contexter_service::duration")]
    pub max_retry_after: Duration,
    /// After how long documentation that is still being prepared is asked for again, if the service
    /// does not say. Default 60 s: preparing takes minutes.
    #[serde(with = "contexter_service::duration")]
    pub not_finalized_wait: Duration,
    /// How answers are kept; `null` keeps none. Default [`CacheSettings`].
    pub cache: Option<CacheSettings>,
    /// What is fetched when the documents of a whole library are asked for.
    pub docs: DocsConfig,
    /// How long a healthy answer stands for the health of the service before it is asked again.
    /// Default 1 h: whether the requests of a check count against the monthly allowance of 1,000
    /// calls is not documented.
    #[serde(with = "contexter_service::duration")]
    pub health_interval: Duration,
}

/// How answers are kept.
///
/// | setting | default | because |
/// |---|---|---|
/// | `fresh_for` | 6 h | the vendor advises hours to days |
/// | `stale_if_error_for` | 7 d | old documentation is better than none, also while the allowance is used up |
/// | `max_kib` | 65,536 | 64 MiB of documentation |
///
/// Answers without documentation are kept for a minute, documentation that is still being prepared
/// not at all. Source: `docs/api-guide.mdx` of <https://github.com/upstash/context7>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheSettings {
    /// How long an answer is given again without asking the service.
    #[serde(with = "contexter_service::duration")]
    pub fresh_for: Duration,
    /// How much longer it may stand in when the service cannot answer.
    #[serde(with = "contexter_service::duration")]
    pub stale_if_error_for: Duration,
    /// How much memory answers and their questions take for each kind of request, in KiB.
    pub max_kib: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_hours(6),
            stale_if_error_for: Duration::from_hours(24 * 7),
            max_kib: 65_536,
        }
    }
}

impl CacheSettings {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long an answer is given again without asking the service; 6 h by default.
    #[must_use]
    pub fn with_fresh_for(mut self, duration: Duration) -> Self {
        self.fresh_for = duration;
        self
    }

    /// Sets how much longer it may stand in when the service cannot answer; 7 days by default.
    #[must_use]
    pub fn with_stale_if_error_for(mut self, duration: Duration) -> Self {
        self.stale_if_error_for = duration;
        self
    }

    /// Sets how much is kept for each kind of request, in KiB; 65,536 by default.
    #[must_use]
    pub fn with_max_kib(mut self, kib: u64) -> Self {
        self.max_kib = kib;
        self
    }

    /// The same as settings of the layer; a value weighs its size in KiB.
    fn layer(self) -> CacheConfig {
        CacheConfig::new()
            .fresh_for(self.fresh_for)
            .stale_if_error_for(self.stale_if_error_for)
            .max_weight(self.max_kib)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: DEFAULT_BASE_URL.to_owned(),
            timeout: Duration::from_secs(30),
            rate_limit: None,
            retry_config: RetryConfig::default(),
            max_retry_after: Duration::from_mins(1),
            not_finalized_wait: Duration::from_mins(1),
            cache: Some(CacheSettings::default()),
            docs: DocsConfig::default(),
            health_interval: Duration::from_hours(1),
        }
    }
}

impl Config {
    /// The defaults, with a key. Without one, [`Config::default`], calls are anonymous.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self::default().with_api_key(api_key)
    }

    /// Sets the key.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets where the API is; it ends in `/api`.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets how long one attempt may take; 30 s by default.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how many calls there may be in a minute; no limit by default.
    #[must_use]
    pub fn with_rate_limit(mut self, calls_a_minute: impl Into<Option<u64>>) -> Self {
        self.rate_limit = calls_a_minute.into();
        self
    }

    /// Sets how failed calls are repeated.
    #[must_use]
    pub fn with_retry_config(mut self, retry: RetryConfig) -> Self {
        self.retry_config = retry;
        self
    }

    /// Sets the longest wait that the service may ask for; 60 s by default.
    #[must_use]
    pub fn with_max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// Sets after how long documentation that is still being prepared is asked for again; 60 s by
    /// default.
    #[must_use]
    pub fn with_not_finalized_wait(mut self, wait: Duration) -> Self {
        self.not_finalized_wait = wait;
        self
    }

    /// Sets how answers are kept; `None` keeps none.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<Option<CacheSettings>>) -> Self {
        self.cache = cache.into();
        self
    }

    /// Sets what is fetched when the documents of a whole library are asked for.
    #[must_use]
    pub fn with_docs(mut self, docs: DocsConfig) -> Self {
        self.docs = docs;
        self
    }

    /// Sets how long a healthy answer stands for the health of the service; 1 h by default.
    #[must_use]
    pub fn with_health_interval(mut self, interval: Duration) -> Self {
        self.health_interval = interval;
        self
    }

    /// Returns the settings of the stack: the preset [`StackConfig::context7`], with what is set
    /// here laid over it.
    #[must_use]
    pub fn stack(&self) -> StackConfig {
        let preset = StackConfig::context7();
        let retry = preset.retry.unwrap_or_default();
        let retry = self
            .retry_config
            .over(retry.max_retry_after(self.max_retry_after));
        // The whole call has at least the time of one attempt.
        let deadline = preset.deadline.map(|limit| limit.max(self.timeout));
        let rate_limit = self.rate_limit.map(|calls| {
            RateLimitConfig::new()
                .requests(Quota::per_minute(calls))
                .max_wait(Duration::from_mins(1))
        });
        preset
            .retry(retry)
            .rate_limit(rate_limit)
            .deadline(deadline)
            .attempt_timeout(self.timeout)
            .cache(self.cache.map(CacheSettings::layer))
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once. Nothing secret is in them.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let zero = |time: Duration| {
            time.is_zero()
                .then(|| "must be longer than zero, got 0s".to_owned())
        };
        let empty_key = self.api_key.as_ref().is_some_and(Secret::is_empty);
        let retry = self.stack().retry.map_or(Ok(()), |retry| retry.validate());
        let cache = self.cache.map_or(Ok(()), |cache| {
            InvalidConfig::check([
                ("fresh_for", zero(cache.fresh_for)),
                (
                    "max_kib",
                    (cache.max_kib == 0).then(|| "must be at least 1, got 0".to_owned()),
                ),
            ])
        });
        InvalidConfig::join([
            InvalidConfig::check([
                (
                    "api_key",
                    empty_key
                        .then(|| "must not be empty; leave it out for anonymous calls".to_owned()),
                ),
                ("base_url", self.base_url_fault()),
                ("timeout", zero(self.timeout)),
                (
                    "rate_limit",
                    (self.rate_limit == Some(0)).then(|| "must be at least 1, got 0".to_owned()),
                ),
            ]),
            retry.map_err(|faults| faults.within("retry_config")),
            cache.map_err(|faults| faults.within("cache")),
            InvalidConfig::check([
                ("docs.topics", self.docs.fault()),
                (
                    "docs.max_tokens",
                    (self.docs.max_tokens == Some(0))
                        .then(|| "must be at least 1, got 0".to_owned()),
                ),
                ("health_interval", zero(self.health_interval)),
            ]),
        ])
    }

    /// Only what can be said without showing the text, which may hold a password; the rest of the
    /// rules is that of [`contexter_http::Api::new`].
    fn base_url_fault(&self) -> Option<String> {
        let url = self.base_url.trim();
        let is_http = url.starts_with("https://") || url.starts_with("http://");
        (!is_http).then(|| "must be https://host/api, or http:// on a loopback address".to_owned())
    }
}
