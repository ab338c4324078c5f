//! What the configuration of a service says about its retry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `retry_config` of a service: what is not set is as in the preset of its stack.
///
/// | setting | meaning |
/// |---|---|
/// | `max_attempts` | how many attempts are made at most, the first one included |
/// | `base_delay` | the delay before the second attempt, before jitter |
/// | `max_delay` | the longest delay |
///
/// # Examples
///
/// ```
/// use contexter_resilience::{RetryConfig, StackConfig};
///
/// let preset = StackConfig::qdrant().retry.unwrap_or_default();
/// let retry = RetryConfig::new().with_max_attempts(7).over(preset);
/// assert_eq!((retry.max_attempts, retry.base_delay), (7, preset.base_delay));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// How many attempts are made at most, the first one included.
    pub max_attempts: Option<u32>,
    /// The delay before the second attempt, before jitter.
    #[serde(with = "contexter_service::duration::option")]
    pub base_delay: Option<Duration>,
    /// The longest delay.
    #[serde(with = "contexter_service::duration::option")]
    pub max_delay: Option<Duration>,
}

impl RetryConfig {
    /// Creates settings that change nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many attempts are made at most, the first one included.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sets the delay before the second attempt.
    #[must_use]
    pub fn with_base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = Some(delay);
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub fn with_max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = Some(delay);
        self
    }

    /// Lays what is set over the settings of a preset.
    ///
    /// A first delay that is longer than the preset's longest one raises that, unless it is set too.
    #[must_use]
    pub fn over(self, mut retry: contexter_retry::Config) -> contexter_retry::Config {
        if let Some(attempts) = self.max_attempts {
            retry.max_attempts = attempts;
        }
        if let Some(delay) = self.base_delay {
            retry.base_delay = delay;
            retry.max_delay = retry.max_delay.max(delay);
        }
        if let Some(delay) = self.max_delay {
            retry.max_delay = delay;
        }
        retry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_the_presets_and_a_long_first_delay_raises_the_longest() {
        let second = Duration::from_secs(1);
        let preset = contexter_retry::Config::new()
            .max_attempts(3)
            .base_delay(second)
            .max_delay(4 * second);
        let of = |retry: contexter_retry::Config| {
            let seconds = |delay: Duration| delay.as_secs();
            let delays = (seconds(retry.base_delay), seconds(retry.max_delay));
            (retry.max_attempts, delays)
        };
        let set = RetryConfig::new();
        assert_eq!(of(set.over(preset)), (3, (1, 4)));
        let set = set.with_base_delay(9 * second);
        assert_eq!(of(set.over(preset)), (3, (9, 9)));
        let set = set.with_max_delay(20 * second).with_max_attempts(5);
        assert_eq!(of(set.over(preset)), (5, (9, 20)));
    }
}
