//! The settings of a breaker.

use std::time::Duration;

use contexter_service::InvalidConfig;

use crate::Breaker;

/// The largest number of probes: their counts share one atomic word.
const MAX_PROBES: u32 = (1 << 10) - 1;
/// The largest streak of failures, for the same reason.
const MAX_FAILURES: u32 = (1 << 30) - 1;

/// What a call teaches that was admitted and then dropped before it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Abandoned {
    /// It counts as a failure: a far side that hangs behind somebody's timeout is found out.
    #[default]
    Failure,
    /// It counts as nothing. A panic still counts as a failure.
    Neutral,
}

/// The settings of a [`Breaker`].
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `failure_threshold` | 5 | 1 to 2³⁰ − 1 |
/// | `recovery_timeout` | 60 s | longer than zero |
/// | `success_threshold` | 3 | 1 to 1,023 |
/// | `permitted_probes` | as `success_threshold` | 1 to 1,023 |
/// | `abandoned` | [`Abandoned::Failure`] | |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_breaker::Config;
///
/// let config = Config::new()
///     .failure_threshold(10)
///     .recovery_timeout(Duration::from_secs(5));
/// let breaker = config.build()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// How many failures in a row open the breaker.
    pub failure_threshold: u32,
    /// How long the breaker stays open before it admits probes.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub recovery_timeout: Duration,
    /// How many successful probes close the breaker.
    pub success_threshold: u32,
    /// How many probes run at the same time; `None` means as many as must succeed.
    ///
    /// When it is larger than `success_threshold`, the difference is how many probes may fail
    /// before the breaker opens again; otherwise the first failure opens it.
    pub permitted_probes: Option<u32>,
    /// What a call teaches that was dropped before it ended.
    pub abandoned: Abandoned,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            recovery_timeout: Duration::from_mins(1),
            success_threshold: 3,
            permitted_probes: None,
            abandoned: Abandoned::default(),
        }
    }
}

impl Config {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many failures in a row open the breaker; 5 by default.
    #[must_use]
    pub const fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// Sets how long the breaker stays open before it admits probes; 60 s by default.
    #[must_use]
    pub const fn recovery_timeout(mut self, timeout: Duration) -> Self {
        self.recovery_timeout = timeout;
        self
    }

    /// Sets how many successful probes close the breaker; 3 by default.
    #[must_use]
    pub const fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes;
        self
    }

    /// Sets how many probes run at the same time; as many as must succeed by default.
    #[must_use]
    pub const fn permitted_probes(mut self, probes: u32) -> Self {
        self.permitted_probes = Some(probes);
        self
    }

    /// Sets what a dropped call teaches; a failure by default.
    #[must_use]
    pub const fn abandoned(mut self, abandoned: Abandoned) -> Self {
        self.abandoned = abandoned;
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let outside = |value: u32, max: u32| {
            (!(1..=max).contains(&value)).then(|| format!("must be 1 to {max}, got {value}"))
        };
        InvalidConfig::check([
            (
                "failure_threshold",
                outside(self.failure_threshold, MAX_FAILURES),
            ),
            (
                "recovery_timeout",
                self.recovery_timeout
                    .is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
            (
                "success_threshold",
                outside(self.success_threshold, MAX_PROBES),
            ),
            (
                "permitted_probes",
                self.permitted_probes
                    .and_then(|probes| outside(probes, MAX_PROBES)),
            ),
        ])
    }

    /// Makes a closed breaker.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<Breaker, InvalidConfig> {
        Breaker::new(self)
    }

    pub(crate) fn concurrent_probes(&self) -> u32 {
        self.permitted_probes.unwrap_or(self.success_threshold)
    }

    /// How many probes one half-open period decides by.
    pub(crate) fn total_probes(&self) -> u32 {
        self.concurrent_probes().max(self.success_threshold)
    }
}
