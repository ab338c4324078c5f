//! The settings of stale values.

use std::hash::Hash;
use std::time::Duration;

use contexter_service::InvalidConfig;

/// The settings of a [`StaleValue`](crate::StaleValue).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `stale_if_error_for` | 5 min | longer than zero |
/// | `max_weight` | 10,000 | at least 1 |
///
/// Each value weighs 1 unless a weigher says otherwise, so `max_weight` is a number of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct StaleConfig {
    /// How long after it was given a value may stand in for an error.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub stale_if_error_for: Duration,
    /// How much all values together may weigh.
    pub max_weight: u64,
}

impl Default for StaleConfig {
    fn default() -> Self {
        Self {
            stale_if_error_for: Duration::from_mins(5),
            max_weight: 10_000,
        }
    }
}

impl StaleConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long after it was given a value may stand in for an error; 5 min by default.
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

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        InvalidConfig::check([
            (
                "stale_if_error_for",
                self.stale_if_error_for
                    .is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
            (
                "max_weight",
                (self.max_weight == 0).then(|| "must be at least 1, got 0".to_owned()),
            ),
        ])
    }

    /// Makes it on the default clock, without a value, for any error.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build<K, V>(self) -> Result<crate::StaleValue<K, V>, InvalidConfig>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        crate::StaleValue::<K, V>::new(self)
    }
}
