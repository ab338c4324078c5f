//! One configuration for the whole stack.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use contexter_fallback::CacheConfig;
use contexter_limit::{AdaptiveConfig, BulkheadConfig, RateLimitConfig};
use contexter_retry::HedgeConfig;
use contexter_service::InvalidConfig;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::StandardStack;

/// What the breaker counts as one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// One logical call with all its retries is one sample: breaker → deadline → retry → hedge →
    /// rate limit → bulkhead → adaptive limit → attempt timeout → call. The default.
    ///
    /// A call that a retry saves does not count against the far side, so the breaker opens on
    /// lasting trouble only, and later. Choose it for calls that are few, or flaky by nature.
    #[default]
    Call,
    /// Every attempt is a sample: deadline → retry → hedge → rate limit → bulkhead → adaptive
    /// limit → breaker → attempt timeout → call.
    ///
    /// The breaker opens sooner and also stops the retries of calls under way. Choose it for calls
    /// that are many.
    Attempt,
}

/// The settings of a [`StandardStack`].
///
/// | setting | default |
/// |---|---|
/// | `scope` | `call` |
/// | `breaker` | on: 5 failures open it for 60 s, 3 successful probes close it, `timeout` 30 s |
/// | `retry` | on: 3 attempts, 1 s doubling up to 60 s, half to all of it at random |
/// | `hedge` | off |
/// | `rate_limit` | off |
/// | `bulkhead` | off |
/// | `adaptive` | off |
/// | `cache` | the defaults of [`CacheConfig`], where there is a cache |
/// | `deadline` | none |
/// | `attempt_timeout` | none |
///
/// `null` switches a part off. A hedge draws from the budget of the retry, if that has one. Durations are written `"30s"` or `"1m 30s"`, or as a number of
/// seconds; a setting that does not exist is an error.
///
/// # Examples
///
/// ```
/// use contexter_resilience::{Scope, StackConfig};
///
/// let config: StackConfig = serde_json::from_str(
///     r#"{
///         "scope": "attempt",
///         "breaker": { "failure_threshold": 10, "timeout": "5s" },
///         "retry": { "max_attempts": 5, "jitter": true },
///         "deadline": "1m"
///     }"#,
/// )?;
/// assert_eq!(config.scope, Scope::Attempt);
/// let stack = config.build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StackConfig {
    /// What the breaker counts as one call.
    pub scope: Scope,
    /// The breaker and its timeout; `None` switches both off.
    pub breaker: Option<BreakerConfig>,
    /// The retry; `None` switches it off.
    pub retry: Option<contexter_retry::Config>,
    /// The hedge, for reads whose slowest calls are too slow; `None` switches it off.
    pub hedge: Option<HedgeConfig>,
    /// The quotas of the far side; `None` switches the rate limit off.
    pub rate_limit: Option<RateLimitConfig>,
    /// The limit on concurrent attempts; `None` switches it off.
    pub bulkhead: Option<BulkheadConfig>,
    /// The limit on concurrent attempts that follows their latency; `None` switches it off.
    pub adaptive: Option<AdaptiveConfig>,
    /// The response cache of [`Guarded::cached_by`](crate::Guarded::cached_by), single-flight and stale-if-error
    /// included. It needs a key for each request, so that setting it alone changes nothing.
    pub cache: Option<CacheConfig>,
    /// How long a logical call may take with all its retries.
    #[serde(with = "contexter_service::duration::option")]
    pub deadline: Option<Duration>,
    /// How long one attempt may take.
    #[serde(with = "contexter_service::duration::option")]
    pub attempt_timeout: Option<Duration>,
}

impl Default for StackConfig {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            breaker: Some(BreakerConfig::default()),
            retry: Some(contexter_retry::Config::default()),
            hedge: None,
            rate_limit: None,
            bulkhead: None,
            adaptive: None,
            cache: None,
            deadline: None,
            attempt_timeout: None,
        }
    }
}

impl StackConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the breaker counts as one call; [`Scope::Call`] by default.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the breaker; `None` switches it and its timeout off.
    #[must_use]
    pub fn breaker(mut self, breaker: impl Into<Option<BreakerConfig>>) -> Self {
        self.breaker = breaker.into();
        self
    }

    /// Sets the retry; `None` switches it off.
    #[must_use]
    pub fn retry(mut self, retry: impl Into<Option<contexter_retry::Config>>) -> Self {
        self.retry = retry.into();
        self
    }

    /// Sets the hedge; off by default.
    #[must_use]
    pub fn hedge(mut self, hedge: impl Into<Option<HedgeConfig>>) -> Self {
        self.hedge = hedge.into();
        self
    }

    /// Sets the quotas of the far side; none by default.
    #[must_use]
    pub fn rate_limit(mut self, rate_limit: impl Into<Option<RateLimitConfig>>) -> Self {
        self.rate_limit = rate_limit.into();
        self
    }

    /// Sets the limit on concurrent attempts; none by default.
    #[must_use]
    pub fn bulkhead(mut self, bulkhead: impl Into<Option<BulkheadConfig>>) -> Self {
        self.bulkhead = bulkhead.into();
        self
    }

    /// Sets the limit on concurrent attempts that follows their latency; none by default.
    #[must_use]
    pub fn adaptive(mut self, adaptive: impl Into<Option<AdaptiveConfig>>) -> Self {
        self.adaptive = adaptive.into();
        self
    }

    /// Sets the response cache of [`Guarded::cached_by`](crate::Guarded::cached_by).
    #[must_use]
    pub fn cache(mut self, cache: impl Into<Option<CacheConfig>>) -> Self {
        self.cache = cache.into();
        self
    }

    /// Sets how long a logical call may take with all its retries; no limit by default.
    #[must_use]
    pub fn deadline(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.deadline = limit.into();
        self
    }

    /// Sets how long one attempt may take; no limit by default.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = limit.into();
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting of every part that is out of range.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let zero = |limit: Option<Duration>| {
            limit
                .is_some_and(|limit| limit.is_zero())
                .then(|| "must be longer than zero, got 0s".to_owned())
        };
        let breaker = self.breaker.map_or(Ok(()), |breaker| {
            InvalidConfig::join([
                breaker.config.validate(),
                InvalidConfig::check([("timeout", zero(breaker.timeout))]),
            ])
        });
        let part = |name: &str, checked: Option<Result<(), InvalidConfig>>| {
            checked
                .unwrap_or(Ok(()))
                .map_err(|faults| faults.within(name))
        };
        InvalidConfig::join([
            breaker.map_err(|faults| faults.within("breaker")),
            part("retry", self.retry.map(|part| part.validate())),
            part("hedge", self.hedge.map(|part| part.validate())),
            part(
                "rate_limit",
                self.rate_limit.as_ref().map(RateLimitConfig::validate),
            ),
            part("bulkhead", self.bulkhead.map(|part| part.validate())),
            part("adaptive", self.adaptive.map(|part| part.validate())),
            part("cache", self.cache.map(|part| part.validate())),
            InvalidConfig::check([
                ("deadline", zero(self.deadline)),
                ("attempt_timeout", zero(self.attempt_timeout)),
            ]),
        ])
    }

    /// Makes the stack.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<StandardStack, InvalidConfig> {
        StandardStack::new(self)
    }

    /// The breaker's settings in their place: probes count as hung no sooner than they may end.
    ///
    /// A call that waits for its limits does so outside of the breaker, or within its deadline.
    pub(crate) fn placed_breaker(&self) -> Option<contexter_breaker::Config> {
        let (outer, attempt) = self.limits();
        let inside = match self.scope {
            Scope::Call => outer,
            Scope::Attempt => attempt.or(outer),
        };
        let config = self.breaker?.config;
        Some(config.max_half_open(config.max_half_open.max(inside.unwrap_or_default())))
    }

    /// The limits of the outer and of the inner timeout: the breaker's is whichever the scope puts
    /// next inside it.
    pub(crate) fn limits(&self) -> (Option<Duration>, Option<Duration>) {
        let breaker = self.breaker.and_then(|breaker| breaker.timeout);
        match self.scope {
            Scope::Call => (shorter(self.deadline, breaker), self.attempt_timeout),
            Scope::Attempt => (self.deadline, shorter(self.attempt_timeout, breaker)),
        }
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (limit, None) | (None, limit) => limit,
    }
}

/// The breaker's settings, and the time it allows a call.
///
/// In configuration they are one section. The breaker itself never times: `timeout` becomes the
/// deadline inside it in [`Scope::Call`], the timeout of each attempt in [`Scope::Attempt`].
///
/// In a stack, `max_half_open` is never shorter than what a call inside the breaker may take by this
/// and the other limits: a probe that is slow and within them does not count as hung.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// The settings of the breaker.
    #[serde(flatten)]
    pub config: contexter_breaker::Config,
    /// How long a call may take; 30 s by default.
    #[serde(with = "contexter_service::duration::option")]
    pub timeout: Option<Duration>,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self::from(contexter_breaker::Config::default())
    }
}

impl From<contexter_breaker::Config> for BreakerConfig {
    fn from(config: contexter_breaker::Config) -> Self {
        Self {
            config,
            timeout: Some(Duration::from_secs(30)),
        }
    }
}

impl BreakerConfig {
    /// Sets how long a call may take; 30 s by default.
    #[must_use]
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeout = limit.into();
        self
    }
}

/// Reads `timeout`, and everything else as the breaker's own settings, which refuse what they do
/// not know. (`serde(flatten)` would let unknown settings pass.)
impl<'de> Deserialize<'de> for BreakerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Section;

        impl<'de> Visitor<'de> for Section {
            type Value = BreakerConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the settings of a breaker")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BreakerConfig, A::Error> {
                let mut timeout = BreakerConfig::default().timeout;
                let rest = WithoutTimeout {
                    map,
                    timeout: &mut timeout,
                };
                let config = Deserialize::deserialize(MapAccessDeserializer::new(rest))?;
                Ok(BreakerConfig { config, timeout })
            }
        }

        deserializer.deserialize_map(Section)
    }
}

struct WithoutTimeout<'a, A> {
    map: A,
    timeout: &'a mut Option<Duration>,
}

#[derive(Deserialize)]
struct Limit(#[serde(with = "contexter_service::duration::option")] Option<Duration>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutTimeout<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<Cow<'de, str>>()? {
            if key != "timeout" {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            *self.timeout = self.map.next_value::<Limit>()?.0;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
