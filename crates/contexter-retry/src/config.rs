//! The settings of a retry.

use std::time::Duration;

use contexter_service::{Backoff, InvalidConfig, Jitter};

use crate::BudgetConfig;

/// The settings of a retry.
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `max_attempts` | 3 | at least 1; counts the first call too |
/// | `base_delay` | 1 s | longer than zero |
/// | `max_delay` | 60 s | at least `base_delay` |
/// | `backoff_multiplier` | 2 | at least 1 |
/// | `jitter` | [`Jitter::Equal`]: half to all of the delay | |
/// | `max_elapsed` | none | longer than zero |
/// | `max_retry_after` | 60 s | |
/// | `wait_if_refused` | `false` | |
/// | `budget` | none: as many retries as the other settings allow | see [`BudgetConfig`] |
/// | `seed` | none: every call has its own jitter | |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_retry::Config;
///
/// let config = Config::new()
///     .max_attempts(5)
///     .base_delay(Duration::from_millis(200));
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// How many attempts are made at most, the first one included.
    pub max_attempts: u32,
    /// The delay before the second attempt, before jitter.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub base_delay: Duration,
    /// The longest delay, jitter included.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_delay: Duration,
    /// By how much each delay is longer than the one before.
    pub backoff_multiplier: f64,
    /// How delays are spread.
    pub jitter: Jitter,
    /// How long all attempts and delays may take before no further attempt is begun.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration::option"))]
    pub max_elapsed: Option<Duration>,
    /// The longest wait that the far side may ask for; above it the retry gives up at once.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_retry_after: Duration,
    /// Whether a call that a mechanism on this side refused, such as an open breaker, waits once
    /// until that may admit it, if that is within `max_retry_after`, `max_elapsed` and the deadline.
    pub wait_if_refused: bool,
    /// Bounds retries as a share of first attempts.
    pub budget: Option<BudgetConfig>,
    /// Makes the jitter of every call the same; for tests.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            backoff_multiplier: 2.0,
            jitter: Jitter::default(),
            max_elapsed: None,
            max_retry_after: Duration::from_mins(1),
            wait_if_refused: false,
            budget: None,
            seed: None,
        }
    }
}

impl Config {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates settings whose every delay is `delay`, without jitter; the rest as by default.
    #[must_use]
    pub fn constant(delay: Duration) -> Self {
        Self {
            base_delay: delay,
            max_delay: delay,
            backoff_multiplier: 1.0,
            jitter: Jitter::None,
            ..Self::default()
        }
    }

    /// Sets how many attempts are made at most, the first one included; 3 by default.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the delay before the second attempt; 1 s by default.
    #[must_use]
    pub const fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the longest delay; 60 s by default.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets by how much each delay is longer than the one before; 2 by default.
    #[must_use]
    pub const fn backoff_multiplier(mut self, multiplier: f64) -> Self {
        self.backoff_multiplier = multiplier;
        self
    }

    /// Sets how delays are spread; [`Jitter::Equal`] by default.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets after what time no further attempt is begun; none by default.
    #[must_use]
    pub const fn max_elapsed(mut self, limit: Duration) -> Self {
        self.max_elapsed = Some(limit);
        self
    }

    /// Sets the longest wait that the far side may ask for; 60 s by default.
    #[must_use]
    pub const fn max_retry_after(mut self, limit: Duration) -> Self {
        self.max_retry_after = limit;
        self
    }

    /// Sets whether a refused call waits once until it may be admitted; not by default.
    ///
    /// The classifier says what was refused, and for how long
    /// ([`Classify::refused`](contexter_service::Classify::refused)) and must not call it worth
    /// trying again: so do [`ByVerdict`](contexter_service::ByVerdict), `UnlessOpen` and
    /// `UnlessRejected`, but not the default, which backs off from a refusal as from any error. What
    /// refuses must be inside the retry: in a standard stack, the breaker is so in the scope
    /// `attempt` only.
    ///
    /// The wait takes one attempt, and no token of the budget, because the far side has seen nothing
    /// of it.
    #[must_use]
    pub const fn wait_if_refused(mut self, wait: bool) -> Self {
        self.wait_if_refused = wait;
        self
    }

    /// Bounds retries as a share of first attempts; no bound by default.
    #[must_use]
    pub const fn budget(mut self, budget: BudgetConfig) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Makes the jitter of every call the same one, chosen by `seed`.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        InvalidConfig::join([
            InvalidConfig::check([(
                "max_attempts",
                (self.max_attempts == 0).then(|| "must be at least 1, got 0".to_owned()),
            )]),
            self.backoff().map(drop),
            InvalidConfig::check([(
                "max_elapsed",
                self.max_elapsed
                    .is_some_and(|limit| limit.is_zero())
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            )]),
            self.budget
                .map_or(Ok(()), |budget| budget.validate())
                .map_err(|faults| faults.within("budget")),
        ])
    }

    pub(crate) fn backoff(&self) -> Result<Backoff, InvalidConfig> {
        let backoff =
            Backoff::exponential(self.base_delay, self.max_delay, self.backoff_multiplier)?
                .with_jitter(self.jitter);
        Ok(match self.seed {
            Some(seed) => backoff.with_seed(seed),
            None => backoff,
        })
    }

    /// Makes a retry on the default clock, for which every error is worth another attempt.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    #[cfg(feature = "tokio")]
    pub fn build(self) -> Result<crate::Retry, InvalidConfig> {
        crate::Retry::new(self)
    }
}
