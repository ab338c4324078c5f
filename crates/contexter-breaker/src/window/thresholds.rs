//! When the calls in a window open the breaker.

use std::time::Duration;

use super::Tally;
use crate::announce::Cause;
use crate::{Abandoned, Config};

/// What the calls in a window are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    minimum: u64,
    failing: Share,
    slow: Option<Share>,
    abandoned: Option<Share>,
}

/// A rate in billionths: a decimal such as 0.55 is not a float, and 55 of 100 must reach it.
#[derive(Clone, Copy, Debug)]
struct Share(u32);

const WHOLE: u32 = 1_000_000_000;

impl Share {
    fn of(rate: f64) -> Self {
        // A second has as many nanoseconds as a whole has billionths, and its rounding is exact.
        let billionths = Duration::try_from_secs_f64(rate).map_or(WHOLE, |rate| {
            u32::try_from(rate.as_nanos()).unwrap_or(WHOLE)
        });
        Self(billionths.clamp(1, WHOLE))
    }

    /// Returns whether `marked` of `calls` are this share or more.
    fn is_reached(self, marked: u64, calls: u64) -> bool {
        u128::from(marked) * u128::from(WHOLE) >= u128::from(calls) * u128::from(self.0)
    }
}

impl Thresholds {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            minimum: u64::from(config.minimum()),
            failing: Share::of(config.failing()),
            slow: config.slow().map(Share::of),
            abandoned: match config.abandoned {
                Abandoned::Rate(rate) => Some(Share::of(rate)),
                Abandoned::Failure | Abandoned::Neutral => None,
            },
        }
    }

    /// What is counted, among how many calls, and which share opens the breaker. An abandoned call
    /// neither succeeded nor failed, so it is not among those that might have.
    fn rules(&self, tally: Tally) -> impl Iterator<Item = (u64, u64, Share, Cause)> {
        let ended = tally.calls - tally.abandoned;
        [
            Some((tally.failures, ended, self.failing, Cause::FailureRate)),
            self.slow
                .map(|share| (tally.slow, ended, share, Cause::SlowCallRate)),
            self.abandoned
                .map(|share| (tally.abandoned, tally.calls, share, Cause::AbandonedRate)),
        ]
        .into_iter()
        .flatten()
    }

    /// Returns why the breaker opens, if it does.
    pub(crate) fn verdict(&self, tally: Tally) -> Option<Cause> {
        self.rules(tally).find_map(|(marked, calls, share, cause)| {
            (calls >= self.minimum && share.is_reached(marked, calls)).then_some(cause)
        })
    }

    /// Returns whether no number of further successes can open the breaker, given that it does not
    /// open now: they only ever lower a share, but they can bring the calls up to the minimum.
    pub(crate) fn hold(&self, tally: Tally) -> bool {
        self.rules(tally).all(|(marked, calls, share, _)| {
            calls >= self.minimum || !share.is_reached(marked, self.minimum)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Window;

    fn of(calls: u64, failures: u64) -> Tally {
        Tally {
            calls,
            failures,
            ..Tally::default()
        }
    }

    #[test]
    fn a_decimal_rate_is_reached_exactly() {
        for percent in 1..=100_u32 {
            let rate = f64::from(percent) / 100.0;
            let config = Config::new()
                .window(Window::Calls(100))
                .minimum_calls(100)
                .failure_rate(rate);
            let thresholds = Thresholds::of(&config);
            let percent = u64::from(percent);
            assert!(
                thresholds.verdict(of(100, percent)).is_some(),
                "{percent} %"
            );
            assert!(
                thresholds.verdict(of(100, percent - 1)).is_none(),
                "{percent} %"
            );
        }
    }

    proptest! {
        #[test]
        fn while_they_hold_no_success_opens(
            minimum in 1..30_u32,
            rate in 0.01..1.0_f64,
            before in 0..40_u64,
            failures in 0..40_u64,
        ) {
            let config = Config::new()
                .window(Window::Calls(100))
                .minimum_calls(minimum)
                .failure_rate(rate);
            let thresholds = Thresholds::of(&config);
            let now = of(before + failures, failures);
            let opens = (0..100)
                .map(|more| of(now.calls + more, failures))
                .any(|tally| thresholds.verdict(tally).is_some());
            if thresholds.verdict(now).is_none() {
                prop_assert_eq!(thresholds.hold(now), !opens);
            }
        }
    }
}
