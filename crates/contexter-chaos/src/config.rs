//! The settings of fault injection.

use std::time::Duration;

use contexter_service::{Cx, InvalidConfig};

use crate::{Chaos, ErrWith};

/// Rates that people write in decimals may add up to a little more than 1 in binary.
const ROUNDING: f64 = 1e-9;

/// The settings of a [`Chaos`].
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `enabled` | `true` | |
/// | `seed` | none: different in every run | |
/// | `error_rate` | 0 | 0 to 1 |
/// | `hang_rate` | 0 | 0 to 1 |
/// | `panic_rate` | 0 | 0 to 1 |
/// | `latency_rate` | 0 | 0 to 1 |
/// | `min_latency` | 100 ms | |
/// | `max_latency` | 1 s | at least `min_latency` |
///
/// A call meets one of error, hang and panic at most, so these three rates may add up to 1.
/// Latency is independent of them: it may come before any.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_chaos::Config;
///
/// let config = Config::new()
///     .seed(42)
///     .error_rate(0.1)
///     .latency(0.5, Duration::from_millis(10), Duration::from_millis(50));
/// config.validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// Whether any fault is injected; [`Chaos::set_enabled`] changes it at run time.
    pub enabled: bool,
    /// What the faults are drawn from; the same seed gives the same faults.
    pub seed: Option<u64>,
    /// Which share of calls ends with an error.
    pub error_rate: f64,
    /// Which share of calls never ends.
    pub hang_rate: f64,
    /// Which share of calls panics.
    pub panic_rate: f64,
    /// Which share of calls begins later.
    pub latency_rate: f64,
    /// The shortest latency.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub min_latency: Duration,
    /// The longest latency.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_latency: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            seed: None,
            error_rate: 0.0,
            hang_rate: 0.0,
            panic_rate: 0.0,
            latency_rate: 0.0,
            min_latency: Duration::from_millis(100),
            max_latency: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// Creates the default settings, which inject nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether any fault is injected; `true` by default.
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets what the faults are drawn from; different in every run by default.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets which share of calls ends with an error; none by default.
    #[must_use]
    pub const fn error_rate(mut self, rate: f64) -> Self {
        self.error_rate = rate;
        self
    }

    /// Sets which share of calls never ends; none by default.
    #[must_use]
    pub const fn hang_rate(mut self, rate: f64) -> Self {
        self.hang_rate = rate;
        self
    }

    /// Sets which share of calls panics; none by default.
    #[must_use]
    pub const fn panic_rate(mut self, rate: f64) -> Self {
        self.panic_rate = rate;
        self
    }

    /// Sets which share of calls begins later, and by how much: evenly spread between `min` and
    /// `max`. None by default.
    #[must_use]
    pub const fn latency(mut self, rate: f64, min: Duration, max: Duration) -> Self {
        self.latency_rate = rate;
        self.min_latency = min;
        self.max_latency = max;
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let no_rate = |rate: f64| {
            (!(0.0..=1.0).contains(&rate)).then(|| format!("must be 0 to 1, got {rate}"))
        };
        let single = [
            ("error_rate", no_rate(self.error_rate)),
            ("hang_rate", no_rate(self.hang_rate)),
            ("panic_rate", no_rate(self.panic_rate)),
        ];
        let sum = self.error_rate + self.hang_rate + self.panic_rate;
        // A sum of rates that are no rates says nothing further.
        let too_much = single.iter().all(|(_, problem)| problem.is_none()) && sum > 1.0 + ROUNDING;
        let (min, max) = (self.min_latency, self.max_latency);
        InvalidConfig::join([
            InvalidConfig::check(single),
            InvalidConfig::check([
                (
                    "error_rate",
                    too_much.then(|| {
                        format!("must be at most 1 with hang_rate and panic_rate, got {sum}")
                    }),
                ),
                ("latency_rate", no_rate(self.latency_rate)),
                (
                    "max_latency",
                    (max < min)
                        .then(|| format!("must be at least min_latency {min:?}, got {max:?}")),
                ),
            ]),
        ])
    }

    /// Makes a [`Chaos`] whose injected errors come from `error`.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build<G, E>(self, error: G) -> Result<Chaos<ErrWith<G>>, InvalidConfig>
    where
        G: Fn(Cx) -> E,
    {
        Chaos::new(self, error)
    }
}
