//! The settings of a bulkhead.

use std::time::Duration;

use contexter_service::InvalidConfig;

use crate::Bulkhead;

/// The largest limit and the longest queue: a million.
pub(crate) const MOST: usize = 1_000_000;

/// The settings of a [`Bulkhead`](crate::Bulkhead).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `max_concurrent` | 25 | 1 to 1,000,000 |
/// | `max_queue` | 100 | at most 1,000,000; 0 refuses at once |
/// | `max_wait` | 5 s | longer than zero, if there is a queue |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_limit::BulkheadConfig;
///
/// let config = BulkheadConfig::new()
///     .max_concurrent(8)
///     .max_queue(32)
///     .max_wait(Duration::from_secs(1));
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BulkheadConfig {
    /// How many calls run at the same time.
    pub max_concurrent: usize,
    /// How many more may wait.
    pub max_queue: usize,
    /// How long one waits at most.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_wait: Duration,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl BulkheadConfig {
    /// The defaults above.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_concurrent: 25,
            max_queue: 100,
            max_wait: Duration::from_secs(5),
        }
    }

    /// Sets how many calls run at the same time; 25 by default.
    #[must_use]
    pub const fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = calls;
        self
    }

    /// Sets how many more may wait; 100 by default.
    #[must_use]
    pub const fn max_queue(mut self, calls: usize) -> Self {
        self.max_queue = calls;
        self
    }

    /// Sets how long one waits at most; 5 s by default.
    #[must_use]
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Makes a bulkhead on the default clock.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<Bulkhead, InvalidConfig> {
        Bulkhead::new(self)
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let calls = self.max_concurrent;
        let [max_queue, max_wait] = check_queue(self.max_queue, self.max_wait);
        InvalidConfig::check([
            (
                "max_concurrent",
                (!(1..=MOST).contains(&calls)).then(|| format!("must be 1 to {MOST}, got {calls}")),
            ),
            max_queue,
            max_wait,
        ])
    }
}

/// What is wrong with a queue.
pub(crate) fn check_queue(
    max_queue: usize,
    max_wait: Duration,
) -> [(&'static str, Option<String>); 2] {
    [
        (
            "max_queue",
            (max_queue > MOST).then(|| format!("must be at most {MOST}, got {max_queue}")),
        ),
        (
            "max_wait",
            (max_wait.is_zero() && max_queue > 0)
                .then(|| format!("must be longer than zero, as max_queue is {max_queue}, got 0s")),
        ),
    ]
}
