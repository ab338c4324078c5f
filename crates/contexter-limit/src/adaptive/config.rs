//! The settings of an adaptive limit.

use std::time::Duration;

use contexter_service::InvalidConfig;

use crate::AdaptiveLimit;
use crate::bulkhead::{MOST, check_queue};

/// The settings of an [`AdaptiveLimit`](crate::AdaptiveLimit).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `min` | 1 | 1 to `max` |
/// | `max` | 200 | at most 1,000,000 |
/// | `initial` | 20, or what is nearest to it within `min` and `max` | `min` to `max` |
/// | `tolerance` | 2 | a number of at least 1 |
/// | `backoff` | 0.7 | above 0, below 1 |
/// | `window` | 1 s | longer than zero |
/// | `baseline_doubling` | 1 h | longer than zero |
/// | `max_queue` | 100 | at most 1,000,000; 0 refuses at once |
/// | `max_wait` | 5 s | longer than zero, if there is a queue |
///
/// # Examples
///
/// ```
/// use contexter_limit::AdaptiveConfig;
///
/// let config = AdaptiveConfig::new().min(4).max(64).tolerance(1.5);
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AdaptiveConfig {
    /// The lowest limit. So many calls always run, and show when the far side has recovered.
    pub min: usize,
    /// The highest limit.
    pub max: usize,
    /// The limit at the start; `None` means the default above.
    pub initial: Option<usize>,
    /// From which multiple of the normal latency on the limit falls.
    pub tolerance: f64,
    /// By what the limit is multiplied after a failure.
    pub backoff: f64,
    /// How often the limit changes at most; less often if calls take longer, or come less often than
    /// ten times in it.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub window: Duration,
    /// How long calls must be slow without a break until twice the latency counts as normal.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub baseline_doubling: Duration,
    /// How many more calls may wait.
    pub max_queue: usize,
    /// How long one waits at most.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_wait: Duration,
}

/// The limit at the start, if nobody says otherwise.
const INITIAL: usize = 20;

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl AdaptiveConfig {
    /// The defaults above.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            min: 1,
            max: 200,
            initial: None,
            tolerance: 2.0,
            backoff: 0.7,
            window: Duration::from_secs(1),
            baseline_doubling: Duration::from_hours(1),
            max_queue: 100,
            max_wait: Duration::from_secs(5),
        }
    }

    /// Sets the lowest limit; 1 by default.
    #[must_use]
    pub const fn min(mut self, calls: usize) -> Self {
        self.min = calls;
        self
    }

    /// Sets the highest limit; 200 by default.
    #[must_use]
    pub const fn max(mut self, calls: usize) -> Self {
        self.max = calls;
        self
    }

    /// Sets the limit at the start; 20 by default, within `min` and `max`.
    #[must_use]
    pub const fn initial(mut self, calls: usize) -> Self {
        self.initial = Some(calls);
        self
    }

    /// Sets from which multiple of the normal latency on the limit falls; 2 by default.
    #[must_use]
    pub const fn tolerance(mut self, multiple: f64) -> Self {
        self.tolerance = multiple;
        self
    }

    /// Sets by what the limit is multiplied after a failure; 0.7 by default.
    #[must_use]
    pub const fn backoff(mut self, factor: f64) -> Self {
        self.backoff = factor;
        self
    }

    /// Sets how often the limit changes at most; each second by default.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long calls must be slow until twice the latency counts as normal; 1 h by default.
    #[must_use]
    pub const fn baseline_doubling(mut self, duration: Duration) -> Self {
        self.baseline_doubling = duration;
        self
    }

    /// Sets how many more calls may wait; 100 by default.
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

    /// Returns the limit at the start. The settings must be valid.
    pub(crate) fn first_limit(&self) -> usize {
        self.initial.unwrap_or(INITIAL.max(self.min).min(self.max))
    }

    /// Makes a limit on the default clock.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<AdaptiveLimit, InvalidConfig> {
        AdaptiveLimit::new(self)
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let (min, max, tolerance, backoff) = (self.min, self.max, self.tolerance, self.backoff);
        let zero = |duration: Duration| {
            duration
                .is_zero()
                .then(|| "must be longer than zero, got 0s".to_owned())
        };
        let [max_queue, max_wait] = check_queue(self.max_queue, self.max_wait);
        InvalidConfig::check([
            (
                "min",
                (min == 0 || min > max).then(|| format!("must be 1 to max ({max}), got {min}")),
            ),
            (
                "max",
                (!(1..=MOST).contains(&max)).then(|| format!("must be 1 to {MOST}, got {max}")),
            ),
            (
                "initial",
                self.initial
                    .filter(|initial| !(min..=max).contains(initial))
                    .map(|initial| format!("must be min to max ({min} to {max}), got {initial}")),
            ),
            (
                "tolerance",
                (!tolerance.is_finite() || tolerance < 1.0)
                    .then(|| format!("must be a number of at least 1, got {tolerance}")),
            ),
            (
                "backoff",
                // NaN is none either.
                (!(backoff > 0.0 && backoff < 1.0))
                    .then(|| format!("must be above 0 and below 1, got {backoff}")),
            ),
            ("window", zero(self.window)),
            ("baseline_doubling", zero(self.baseline_doubling)),
            max_queue,
            max_wait,
        ])
    }
}
