//! The settings of a rate limiter.

use std::collections::BTreeMap;
use std::time::Duration;

use contexter_service::InvalidConfig;

use super::quota::{Quota, Takes};
use super::shared::MAX_QUOTAS;
use crate::RateLimiter;

/// The settings of a [`RateLimiter`](crate::RateLimiter).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `requests` | none | see [`Quota`]; takes 1 of each call |
/// | `tokens` | none | see [`Quota`]; takes the weight of each call |
/// | `quotas` | none | further ones by name; 1 to 4 with the two above |
/// | `max_wait` | 5 s | zero refuses at once |
/// | `max_pause` | 1 h | longer than zero |
///
/// As a section of a configuration it is as short as
///
/// ```yaml
/// rate_limit:
///   requests: { limit: 2000, period: "1m" }
///   tokens: { limit: 3000000, period: "1m" }
/// ```
///
/// # Examples
///
/// ```
/// use contexter_limit::{Quota, RateLimitConfig};
///
/// let config = RateLimitConfig::new()
///     .requests(Quota::per_minute(2_000))
///     .tokens(Quota::per_minute(3_000_000));
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// How many calls there may be.
    pub requests: Option<Quota>,
    /// How much weight the calls may have together, such as the tokens of a model.
    pub tokens: Option<Quota>,
    /// Further quotas by name.
    pub quotas: BTreeMap<String, Quota>,
    /// How long a call waits at most until the quotas admit it.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_wait: Duration,
    /// How long the far side can make the limiter pause at most.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_pause: Duration,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl RateLimitConfig {
    /// The defaults above. At least one quota has to be added.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            requests: None,
            tokens: None,
            quotas: BTreeMap::new(),
            max_wait: Duration::from_secs(5),
            max_pause: Duration::from_hours(1),
        }
    }

    /// Sets how many calls there may be, as the quota `requests`.
    #[must_use]
    pub fn requests(mut self, quota: Quota) -> Self {
        self.requests = Some(quota);
        self
    }

    /// Sets how much weight the calls may have together, as the quota `tokens`.
    #[must_use]
    pub fn tokens(mut self, quota: Quota) -> Self {
        self.tokens = Some(quota);
        self
    }

    /// Adds a quota under a name of its own.
    #[must_use]
    pub fn quota(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.quotas.insert(name.into(), quota);
        self
    }

    /// Sets how long a call waits at most; 5 s by default.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets how long the far side can make the limiter pause at most; 1 h by default.
    #[must_use]
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.max_pause = pause;
        self
    }

    /// Makes a limiter on the default clock whose quotas are whole.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<RateLimiter, InvalidConfig> {
        RateLimiter::new(self)
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let number = self.all().count();
        let taken = |name: &str| {
            let fixed = [
                ("requests", self.requests.is_some()),
                ("tokens", self.tokens.is_some()),
            ];
            fixed.contains(&(name, true))
        };
        let twice = self.quotas.keys().find(|name| taken(name));
        let own = InvalidConfig::check([
            (
                "quotas",
                if (1..=MAX_QUOTAS).contains(&number) {
                    twice.map(|name| format!("must not repeat a name, got {name}"))
                } else {
                    Some(format!(
                        "must be 1 to {MAX_QUOTAS} with requests and tokens, got {number}"
                    ))
                },
            ),
            (
                "max_pause",
                self.max_pause
                    .is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
        ]);
        let within = |section: &str, quota: &Quota| {
            quota.validate().map_err(|invalid| invalid.within(section))
        };
        let requests = self.requests.iter().map(|quota| within("requests", quota));
        let tokens = self.tokens.iter().map(|quota| within("tokens", quota));
        let further = self
            .quotas
            .iter()
            .map(|(name, quota)| within(&format!("quotas.{name}"), quota));
        InvalidConfig::join(requests.chain(tokens).chain(further).chain([own]))
    }

    /// Returns all quotas with their names and what they take.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Quota, Takes)> {
        let requests = self.requests.iter().map(|quota| ("requests", quota));
        let tokens = self.tokens.iter().map(|quota| ("tokens", quota));
        let further = self
            .quotas
            .iter()
            .map(|(name, quota)| (name.as_str(), quota));
        requests.chain(tokens).chain(further).map(|(name, quota)| {
            let by_name = if name == "tokens" {
                Takes::Weight
            } else {
                Takes::One
            };
            (name, quota, quota.takes.unwrap_or(by_name))
        })
    }
}
