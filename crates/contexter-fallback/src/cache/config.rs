//! The settings of a response cache.

use std::hash::Hash;
use std::time::Duration;

use contexter_service::InvalidConfig;

use crate::Freshness;

/// The settings of a [`ResponseCache`](crate::ResponseCache).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `fresh_for` | 1 min | longer than zero |
/// | `stale_if_error_for` | 5 min | zero switches it off |
/// | `max_weight` | 10,000 | at least 1 |
/// | `max_errors` | 1,000 | at least 1 |
/// | `max_flights` | 10,000 | at least 1 |
///
/// Each value weighs 1 unless a weigher says otherwise, so `max_weight` is a number of values.
/// Errors are stored only if the caller's [`JudgeFreshness`](crate::JudgeFreshness) says so, apart
/// from the values: lookups of what does not exist cannot crowd out what does.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_fallback::CacheConfig;
///
/// let config = CacheConfig::new()
///     .fresh_for(Duration::from_secs(600))
///     .max_weight(1_000);
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CacheConfig {
    /// How long a value is served without asking the far side.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub fresh_for: Duration,
    /// How much longer a value may stand in for an error.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub stale_if_error_for: Duration,
    /// How much all values together may weigh.
    pub max_weight: u64,
    /// How many errors are remembered.
    pub max_errors: u64,
    /// How many misses of different keys share executions; beyond, calls run unshared.
    pub max_flights: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_mins(1),
            stale_if_error_for: Duration::from_mins(5),
            max_weight: 10_000,
            max_errors: 1_000,
            max_flights: 10_000,
        }
    }
}

impl CacheConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a value is served without asking the far side; 1 min by default.
    #[must_use]
    pub const fn fresh_for(mut self, duration: Duration) -> Self {
        self.fresh_for = duration;
        self
    }

    /// Sets how much longer a value may stand in for an error; 5 min by default.
    #[must_use]
    pub const fn stale_if_error_for(mut self, duration: Duration) -> Self {
        self.stale_if_error_for = duration;
        self
    }

    /// Sets how much all values together may weigh; 10,000 by default.
    #[must_use]
    pub const fn max_weight(mut self, weight: u64) -> Self {
        self.max_weight = weight;
        self
    }

    /// Sets how many errors are remembered; 1,000 by default.
    #[must_use]
    pub const fn max_errors(mut self, errors: u64) -> Self {
        self.max_errors = errors;
        self
    }

    /// Sets how many misses of different keys share executions; 10,000 by default.
    #[must_use]
    pub const fn max_flights(mut self, flights: usize) -> Self {
        self.max_flights = flights;
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let none = |zero: bool| zero.then(|| "must be at least 1, got 0".to_owned());
        InvalidConfig::check([
            (
                "fresh_for",
                self.fresh_for
                    .is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
            ("max_weight", none(self.max_weight == 0)),
            ("max_errors", none(self.max_errors == 0)),
            ("max_flights", none(self.max_flights == 0)),
        ])
    }

    pub(crate) fn freshness(&self) -> Freshness {
        Freshness::fresh_for(self.fresh_for).stale_if_error_for(self.stale_if_error_for)
    }

    /// Makes an empty cache on the default clock.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build<K, V, E>(self) -> Result<crate::ResponseCache<K, V, E>, InvalidConfig>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
    {
        crate::ResponseCache::<K, V, E>::new(self)
    }
}
