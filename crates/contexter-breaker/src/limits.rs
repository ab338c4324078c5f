//! What every call needs of the settings, in 64 bits: no call takes a lock to read them.

use crate::word::field;
use crate::{Abandoned, Config, Window};

const STREAK_BITS: u32 = 30;
const PROBE_BITS: u32 = 10;
const SUCCESSES: u32 = STREAK_BITS;
const PROBES: u32 = SUCCESSES + PROBE_BITS;
const FLAGS: u32 = PROBES + PROBE_BITS;

/// Outcomes of a closed breaker go into a window.
const WINDOW: u64 = 1 << FLAGS;
/// The time at which a call ends is read.
const CLOCKED: u64 = 1 << (FLAGS + 1);
/// The time at which a call begins is read too.
const TIMED: u64 = 1 << (FLAGS + 2);
const DRY_RUN: u64 = 1 << (FLAGS + 3);
const ABANDONED_NEUTRAL: u64 = 1 << (FLAGS + 4);
const ABANDONED_RATE: u64 = 1 << (FLAGS + 5);

/// The settings that admissions and outcomes read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) u64);

impl Limits {
    /// Packs settings that are valid.
    pub(crate) fn of(config: &Config) -> Self {
        let flag = |flag, set| if set { flag } else { 0 };
        let streak = u64::from(config.consecutive_failures().unwrap_or(0));
        let timed = config.slow_call.is_some();
        let by_time = matches!(config.window, Some(Window::Time(_)));
        let abandoned = match config.abandoned {
            Abandoned::Failure => 0,
            Abandoned::Neutral => ABANDONED_NEUTRAL,
            Abandoned::Rate(_) => ABANDONED_RATE,
        };
        Self(
            streak
                | u64::from(config.success_threshold) << SUCCESSES
                | u64::from(config.concurrent_probes()) << PROBES
                | flag(WINDOW, config.window.is_some())
                | flag(CLOCKED, timed || by_time)
                | flag(TIMED, timed)
                | flag(DRY_RUN, config.dry_run)
                | abandoned,
        )
    }

    /// How many failures in a row open the breaker; `None` if they are not counted.
    pub(crate) const fn failure_threshold(self) -> Option<u32> {
        match field(self.0, 0, STREAK_BITS) {
            0 => None,
            failures => Some(failures),
        }
    }

    pub(crate) const fn success_threshold(self) -> u32 {
        field(self.0, SUCCESSES, PROBE_BITS)
    }

    pub(crate) const fn concurrent_probes(self) -> u32 {
        field(self.0, PROBES, PROBE_BITS)
    }

    /// How many probes of one half-open period may fail.
    pub(crate) const fn spare_probes(self) -> u32 {
        self.concurrent_probes()
            .saturating_sub(self.success_threshold())
    }

    pub(crate) const fn has_window(self) -> bool {
        self.0 & WINDOW != 0
    }

    pub(crate) const fn reads_end(self) -> bool {
        self.0 & CLOCKED != 0
    }

    pub(crate) const fn reads_begin(self) -> bool {
        self.0 & TIMED != 0
    }

    pub(crate) const fn is_dry_run(self) -> bool {
        self.0 & DRY_RUN != 0
    }

    pub(crate) const fn abandoned_is_neutral(self) -> bool {
        self.0 & ABANDONED_NEUTRAL != 0
    }

    pub(crate) const fn abandoned_has_rate(self) -> bool {
        self.0 & ABANDONED_RATE != 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn packing_keeps_every_limit_at_its_largest() {
        let most = (1 << 30) - 1;
        let config = Config::new()
            .failure_threshold(most)
            .success_threshold(1023)
            .permitted_probes(1023)
            .window(Window::Time(Duration::from_secs(1)))
            .slow_call(Duration::from_secs(1))
            .abandoned(Abandoned::Rate(1.0))
            .dry_run(true);
        let limits = Limits::of(&config);
        assert_eq!(limits.failure_threshold(), Some(most));
        assert_eq!(limits.success_threshold(), 1023);
        assert_eq!(limits.concurrent_probes(), 1023);
        assert_eq!(limits.spare_probes(), 0);
        assert!(limits.has_window() && limits.reads_end() && limits.reads_begin());
        assert!(limits.is_dry_run() && limits.abandoned_has_rate());
        assert!(!limits.abandoned_is_neutral());
    }

    #[test]
    fn the_defaults_read_no_clock() {
        let limits = Limits::of(&Config::new());
        assert_eq!(limits.failure_threshold(), Some(5));
        assert!(!limits.has_window() && !limits.reads_end() && !limits.reads_begin());
        let by_calls = Limits::of(&Config::new().window(Window::Calls(10)));
        assert_eq!(by_calls.failure_threshold(), None);
        assert!(by_calls.has_window() && !by_calls.reads_end());
    }
}
