//! The settings of the stack, and of the pauses between questions.

use std::time::Duration;

use contexter_limit::{Quota, RateLimitConfig};
use contexter_resilience::StackConfig;
use contexter_service::{Backoff, InvalidConfig, Jitter};
use serde::{Deserialize, Serialize};

use super::Config;

/// How often and how slowly calls are repeated. What is not set is as in [`StackConfig::bright_data`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Attempts, the first one included. Default 3.
    pub max_attempts: Option<u32>,
    /// The delay before the second attempt. Default 2 s.
    #[serde(with = "contexter_service::duration::option")]
    pub base_delay: Option<Duration>,
    /// The longest delay. Default 32 s.
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
}

impl Config {
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
