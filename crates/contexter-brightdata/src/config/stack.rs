//! The settings of the stack, and of the pauses between questions.

use contexter_limit::{Quota, RateLimitConfig};
use contexter_resilience::StackConfig;
use contexter_service::{Backoff, InvalidConfig, Jitter};

use super::Config;
use crate::throttle::MAX_WAIT;

impl Config {
    /// Returns the settings of the stack: those of [`StackConfig::bright_data`], with `timeout`,
    /// `retry_config` and `rate_limit` laid over them. An attempt has a minute more than `timeout`: that is
    /// the time of its request, and the [`ThrottleBudget`](crate::ThrottleBudget) may let it wait before.
    #[must_use]
    pub fn stack(&self) -> StackConfig {
        let attempt = self.timeout.saturating_add(MAX_WAIT);
        let mut stack = StackConfig::bright_data().attempt_timeout(attempt);
        if let Some(deadline) = stack.deadline {
            // Room for two attempts at least.
            stack.deadline = Some(deadline.max(attempt.saturating_mul(2)));
        }
        stack.retry = stack.retry.map(|retry| self.retry_config.over(retry));
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
