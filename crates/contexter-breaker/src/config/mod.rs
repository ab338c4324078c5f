//! The settings of a breaker.

mod choices;
mod validate;

use std::time::Duration;

use contexter_service::{InvalidConfig, Jitter};

use crate::Breaker;

pub use choices::{Abandoned, Window};

/// The settings of a [`Breaker`].
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `failure_threshold` | 5 without a window, off with one | 1 to 2³⁰ − 1 |
/// | `window` | none | 1 to 65,536 calls, or a time longer than zero |
/// | `failure_rate` | 0.5 | above 0, at most 1; needs a window |
/// | `minimum_calls` | 10, or the window's calls if fewer | at least 1, at most the window's calls |
/// | `slow_call` | none: calls are not timed | longer than zero; needs a window |
/// | `slow_call_rate` | 0.5 | above 0, at most 1; needs `slow_call` |
/// | `abandoned` | [`Abandoned::Failure`] | a rate needs a window |
/// | `recovery_timeout` | 60 s | longer than zero |
/// | `recovery_multiplier` | 1: every break is as long | at least 1, finite |
/// | `max_recovery_timeout` | ten times `recovery_timeout` | at least `recovery_timeout` |
/// | `recovery_jitter` | [`Jitter::None`] | |
/// | `success_threshold` | 3 | 1 to 1,023 |
/// | `permitted_probes` | as `success_threshold` | 1 to 1,023 |
/// | `max_half_open` | 60 s | longer than zero |
/// | `max_trip` | 1 h | longer than zero |
/// | `dry_run` | `false` | |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_breaker::{Config, Window};
///
/// let config = Config::new()
///     .window(Window::Time(Duration::from_secs(10)))
///     .failure_rate(0.3)
///     .slow_call(Duration::from_secs(2))
///     .recovery_timeout(Duration::from_secs(5));
/// let breaker = config.build()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// How many failures in a row open the breaker; `None` means 5 without a
    /// [`window`](Self::window), and that only the window decides with one.
    pub failure_threshold: Option<u32>,
    /// Which calls the rates are taken over; `None` means that only failures in a row count.
    pub window: Option<Window>,
    /// The share of failures in the window that opens the breaker; `None` means 0.5.
    ///
    /// Reaching it is enough, and abandoned calls that are no failures are left out of the sum.
    /// Rates are exact to nine decimals.
    pub failure_rate: Option<f64>,
    /// How many calls the window must hold before any rate counts; `None` means 10, or all calls
    /// of a smaller window.
    pub minimum_calls: Option<u32>,
    /// A call that lasts this long or longer is slow, however it ends; `None` means none is, and
    /// that calls are not timed. A slow probe counts as a failed one.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration::option"))]
    pub slow_call: Option<Duration>,
    /// The share of slow calls in the window that opens the breaker; `None` means 0.5.
    pub slow_call_rate: Option<f64>,
    /// What a call teaches that was dropped before it ended.
    pub abandoned: Abandoned,
    /// How long the breaker stays open before it admits probes, the first time.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub recovery_timeout: Duration,
    /// By how much each break is longer than the one before, until the breaker has closed.
    pub recovery_multiplier: f64,
    /// How long a break gets at most; `None` means ten times `recovery_timeout`.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration::option"))]
    pub max_recovery_timeout: Option<Duration>,
    /// How breaks are spread, so that clients that stopped together do not probe together.
    pub recovery_jitter: Jitter,
    /// How many successful probes close the breaker.
    pub success_threshold: u32,
    /// How many probes run at the same time; `None` means as many as must succeed.
    ///
    /// When it is larger than `success_threshold`, the difference is how many probes may fail
    /// before the breaker opens again; otherwise the first failure opens it.
    pub permitted_probes: Option<u32>,
    /// How long probes may hold every place: when the last one was admitted this long ago and none
    /// is free, they count as hung, and the next call finds the breaker open for another break.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_half_open: Duration,
    /// How long the breaker opens at most when the far side states the time.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub max_trip: Duration,
    /// Whether the breaker only shows what it would do: it changes its state, tells and counts, but
    /// refuses nothing unless isolated by hand.
    pub dry_run: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_threshold: None,
            window: None,
            failure_rate: None,
            minimum_calls: None,
            slow_call: None,
            slow_call_rate: None,
            abandoned: Abandoned::default(),
            recovery_timeout: Duration::from_mins(1),
            recovery_multiplier: 1.0,
            max_recovery_timeout: None,
            recovery_jitter: Jitter::None,
            success_threshold: 3,
            permitted_probes: None,
            max_half_open: Duration::from_mins(1),
            max_trip: Duration::from_hours(1),
            dry_run: false,
        }
    }
}

impl Config {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many failures in a row open the breaker; 5 by default, and off with a window.
    ///
    /// Together with a window, whichever is reached first opens it.
    #[must_use]
    pub const fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = Some(failures);
        self
    }

    /// Sets which calls the rates are taken over; by default only failures in a row count.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Sets the share of failures in the window that opens the breaker; 0.5 by default.
    #[must_use]
    pub const fn failure_rate(mut self, rate: f64) -> Self {
        self.failure_rate = Some(rate);
        self
    }

    /// Sets how many calls the window must hold before any rate counts; 10 by default.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = Some(calls);
        self
    }

    /// Sets how long a call lasts that counts as slow; by default none does.
    #[must_use]
    pub const fn slow_call(mut self, duration: Duration) -> Self {
        self.slow_call = Some(duration);
        self
    }

    /// Sets the share of slow calls in the window that opens the breaker; 0.5 by default.
    #[must_use]
    pub const fn slow_call_rate(mut self, rate: f64) -> Self {
        self.slow_call_rate = Some(rate);
        self
    }

    /// Sets what a dropped call teaches; a failure by default.
    #[must_use]
    pub const fn abandoned(mut self, abandoned: Abandoned) -> Self {
        self.abandoned = abandoned;
        self
    }

    /// Sets how long the breaker stays open before it admits probes; 60 s by default.
    #[must_use]
    pub const fn recovery_timeout(mut self, timeout: Duration) -> Self {
        self.recovery_timeout = timeout;
        self
    }

    /// Sets by how much each break is longer than the one before; 1 by default.
    #[must_use]
    pub const fn recovery_multiplier(mut self, multiplier: f64) -> Self {
        self.recovery_multiplier = multiplier;
        self
    }

    /// Sets how long a break gets at most; ten times the first one by default.
    #[must_use]
    pub const fn max_recovery_timeout(mut self, timeout: Duration) -> Self {
        self.max_recovery_timeout = Some(timeout);
        self
    }

    /// Sets how breaks are spread; not at all by default.
    #[must_use]
    pub const fn recovery_jitter(mut self, jitter: Jitter) -> Self {
        self.recovery_jitter = jitter;
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

    /// Sets how long probes may hold every place before they count as hung; 60 s by default.
    #[must_use]
    pub const fn max_half_open(mut self, duration: Duration) -> Self {
        self.max_half_open = duration;
        self
    }

    /// Sets how long the breaker opens at most when the far side states the time; 1 h by default.
    #[must_use]
    pub const fn max_trip(mut self, duration: Duration) -> Self {
        self.max_trip = duration;
        self
    }

    /// Sets whether the breaker only shows what it would do; not by default.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Makes a closed breaker.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<Breaker, InvalidConfig> {
        Breaker::new(self)
    }
}
