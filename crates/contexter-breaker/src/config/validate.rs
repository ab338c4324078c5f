//! What is allowed, and what a setting means that was left out.

use std::time::Duration;

use contexter_service::{Backoff, InvalidConfig, Jitter};

use super::{Abandoned, Config, Window};

/// The largest number of probes: their counts share one atomic word.
const MAX_PROBES: u32 = (1 << 10) - 1;
/// The largest streak of failures, for the same reason.
const MAX_FAILURES: u32 = (1 << 30) - 1;
/// The largest window of calls: 24 KiB.
const MAX_WINDOW_CALLS: u32 = 1 << 16;

/// The specification's threshold.
const FAILURE_THRESHOLD: u32 = 5;
/// Below it, a rate says more about chance than about the far side.
const MINIMUM_CALLS: u32 = 10;
/// Half of the calls.
const RATE: f64 = 0.5;
/// How far breaks grow if nobody says how far.
const GROWTH: u32 = 10;

impl Config {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        InvalidConfig::join([
            self.check_closed(),
            self.check_open(),
            self.check_half_open(),
        ])
    }

    fn check_closed(&self) -> Result<(), InvalidConfig> {
        let (window_calls, window_time) = match self.window {
            Some(Window::Calls(calls)) => (outside(calls, MAX_WINDOW_CALLS), None),
            Some(Window::Time(time)) => (None, zero(time)),
            None => (None, None),
        };
        let needs_window = |set: bool| {
            (set && self.window.is_none()).then(|| "needs a window, got none".to_owned())
        };
        let abandoned_rate = match self.abandoned {
            Abandoned::Rate(rate) => no_rate(rate).or_else(|| needs_window(true)),
            Abandoned::Failure | Abandoned::Neutral => None,
        };
        InvalidConfig::check([
            (
                "failure_threshold",
                self.failure_threshold
                    .and_then(|failures| outside(failures, MAX_FAILURES)),
            ),
            ("window.calls", window_calls),
            ("window.time", window_time),
            (
                "failure_rate",
                self.failure_rate
                    .and_then(no_rate)
                    .or_else(|| needs_window(self.failure_rate.is_some())),
            ),
            (
                "minimum_calls",
                self.minimum_calls
                    .and_then(|calls| self.outside_window(calls))
                    .or_else(|| needs_window(self.minimum_calls.is_some())),
            ),
            (
                "slow_call",
                self.slow_call
                    .and_then(zero)
                    .or_else(|| needs_window(self.slow_call.is_some())),
            ),
            (
                "slow_call_rate",
                self.slow_call_rate.and_then(|rate| {
                    no_rate(rate).or_else(|| {
                        self.slow_call
                            .is_none()
                            .then(|| "needs slow_call, got none".to_owned())
                    })
                }),
            ),
            ("abandoned.rate", abandoned_rate),
        ])
    }

    fn check_open(&self) -> Result<(), InvalidConfig> {
        let multiplier = self.recovery_multiplier;
        InvalidConfig::check([
            ("recovery_timeout", zero(self.recovery_timeout)),
            (
                "recovery_multiplier",
                (!multiplier.is_finite() || multiplier < 1.0)
                    .then(|| format!("must be a number of at least 1, got {multiplier}")),
            ),
            (
                "max_recovery_timeout",
                self.max_recovery_timeout
                    .filter(|&cap| cap < self.recovery_timeout)
                    .map(|cap| {
                        let base = self.recovery_timeout;
                        format!("must be at least recovery_timeout ({base:?}), got {cap:?}")
                    }),
            ),
            ("max_trip", zero(self.max_trip)),
        ])
    }

    fn check_half_open(&self) -> Result<(), InvalidConfig> {
        InvalidConfig::check([
            (
                "success_threshold",
                outside(self.success_threshold, MAX_PROBES),
            ),
            (
                "permitted_probes",
                self.permitted_probes
                    .and_then(|probes| outside(probes, MAX_PROBES)),
            ),
            ("max_half_open", zero(self.max_half_open)),
        ])
    }

    fn outside_window(&self, minimum: u32) -> Option<String> {
        match self.window {
            Some(Window::Calls(calls)) => (!(1..=calls).contains(&minimum)).then(|| {
                format!("must be at least 1 and at most window.calls ({calls}), got {minimum}")
            }),
            _ => (minimum == 0).then(|| "must be at least 1, got 0".to_owned()),
        }
    }

    /// Returns how many failures in a row open the breaker; `None` if only the window decides.
    #[must_use]
    pub fn consecutive_failures(&self) -> Option<u32> {
        match (self.failure_threshold, self.window) {
            (None, None) => Some(FAILURE_THRESHOLD),
            (threshold, _) => threshold,
        }
    }

    pub(crate) fn minimum(&self) -> u32 {
        self.minimum_calls.unwrap_or(match self.window {
            Some(Window::Calls(calls)) => MINIMUM_CALLS.min(calls),
            _ => MINIMUM_CALLS,
        })
    }

    pub(crate) fn failing(&self) -> f64 {
        self.failure_rate.unwrap_or(RATE)
    }

    /// The rate of slow calls, if calls are timed.
    pub(crate) fn slow(&self) -> Option<f64> {
        self.slow_call.map(|_| self.slow_call_rate.unwrap_or(RATE))
    }

    pub(crate) fn concurrent_probes(&self) -> u32 {
        self.permitted_probes.unwrap_or(self.success_threshold)
    }

    /// Returns how breaks grow; `None` if they are all alike.
    pub(crate) fn growth(&self) -> Option<Backoff> {
        if self.recovery_multiplier <= 1.0 && self.recovery_jitter == Jitter::None {
            return None;
        }
        let cap = self
            .max_recovery_timeout
            .unwrap_or_else(|| self.recovery_timeout.saturating_mul(GROWTH));
        Backoff::exponential(self.recovery_timeout, cap, self.recovery_multiplier)
            .ok()
            .map(|backoff| backoff.with_jitter(self.recovery_jitter))
    }
}

fn outside(value: u32, max: u32) -> Option<String> {
    (!(1..=max).contains(&value)).then(|| format!("must be 1 to {max}, got {value}"))
}

fn zero(duration: Duration) -> Option<String> {
    duration
        .is_zero()
        .then(|| "must be longer than zero, got 0s".to_owned())
}

/// NaN is no rate either.
fn no_rate(rate: f64) -> Option<String> {
    let allowed = rate > 0.0 && rate <= 1.0;
    (!allowed).then(|| format!("must be above 0 and at most 1, got {rate}"))
}
