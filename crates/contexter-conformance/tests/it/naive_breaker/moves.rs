//! How outcomes move the naive breaker.

use std::time::{Duration, Instant};

use contexter_conformance::resilience::{BreakerSettings, Trip};
use contexter_service::Jitter;

use super::window::Window;
use super::{Core, Flaw, Naive, Phase};
use crate::heap;

impl Naive {
    pub(super) fn break_for(&self, core: &mut Core) -> Duration {
        let base = core.settings.break_for;
        let Some(growth) = core
            .settings
            .growth
            .filter(|_| !self.is(Flaw::BreaksNeverGrow))
        else {
            return base;
        };
        let round = core.opened_in_a_row;
        core.opened_in_a_row += 1;
        if self.is(Flaw::BreaksOverflow) {
            return (base * 2_u32.checked_pow(round).unwrap_or(0)).min(growth.cap);
        }
        let grown =
            base.as_secs_f64() * growth.factor.powi(i32::try_from(round).unwrap_or(i32::MAX));
        let full =
            Duration::try_from_secs_f64(grown).map_or(growth.cap, |grown| grown.min(growth.cap));
        // xorshift64
        core.random ^= core.random << 13;
        core.random ^= core.random >> 7;
        core.random ^= core.random << 17;
        let share =
            f64::from(u32::try_from(core.random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let share = if self.is(Flaw::JitterPassesTheCap) {
            1.0 + share
        } else {
            share
        };
        match growth.jitter {
            Jitter::Full => full.mul_f64(share),
            Jitter::Equal => full.mul_f64(0.5 + share / 2.0),
            _ => full,
        }
    }

    pub(super) fn open(&self, core: &mut Core, now: Instant) {
        let until = now + self.break_for(core);
        self.change(core, Phase::Open { since: now, until });
    }

    pub(super) fn close(&self, core: &mut Core, now: Instant) {
        core.streak = 0;
        core.window = Window::new(core.settings.trip, now);
        if !self.is(Flaw::BreaksKeepTheirLength) {
            core.opened_in_a_row = 0;
        }
        self.change(core, Phase::Closed);
    }

    pub(super) fn settle_closed(
        &self,
        core: &mut Core,
        now: Instant,
        failed: bool,
        took: Duration,
    ) {
        if self.is(Flaw::KeepsEveryCall) {
            heap::claim(16);
        }
        core.streak = if failed { core.streak + 1 } else { 0 };
        let slow = core
            .settings
            .slow
            .filter(|_| !self.is(Flaw::IgnoresSlowCalls));
        let is_slow = slow.is_some_and(|slow| took > slow.threshold);
        let flaw = self.flaw;
        let tally = core.window.as_mut().map(|window| {
            window.record(now, failed, is_slow, flaw);
            window.tally(now, flaw)
        });
        let opens = match (core.settings.trip, tally) {
            (Trip::Streak(failures), _) => core.streak >= failures,
            (
                Trip::CountWindow {
                    size,
                    minimum,
                    rate,
                },
                Some(tally),
            ) => {
                let minimum = if self.is(Flaw::WaitsForTheWholeWindow) {
                    size
                } else {
                    minimum
                };
                self.reaches(tally.calls, minimum, tally.failures, rate)
                    || slow.is_some_and(|slow| {
                        self.reaches(tally.calls, minimum, tally.slow, slow.rate)
                    })
            }
            (
                Trip::TimeWindow {
                    length,
                    minimum,
                    rate,
                },
                Some(tally),
            ) => {
                let too_early = now - core.made_at < length;
                self.reaches(tally.calls, minimum, tally.failures, rate)
                    && !(too_early && self.is(Flaw::WaitsForAWindowOfTime))
            }
            _ => false,
        };
        if opens {
            self.open(core, now);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "windows are small")]
    pub(super) fn reaches(&self, calls: u64, minimum: u32, of: u64, rate: f64) -> bool {
        let share = of as f64 / calls as f64;
        let exclusive = self.is(Flaw::RateIsExclusive);
        calls >= u64::from(minimum)
            && if exclusive {
                share > rate
            } else {
                share >= rate
            }
    }

    pub(super) fn settle_probe(&self, core: &mut Core, now: Instant, failed: bool) {
        let BreakerSettings {
            probes, successes, ..
        } = core.settings;
        if failed {
            core.failed += 1;
        } else {
            core.succeeded += 1;
        }
        let spare = probes.max(successes) - successes;
        let all_in = !self.is(Flaw::WaitsForAllProbes) || core.in_flight == 0;
        let open = core.failed > spare || failed && self.is(Flaw::OneFailureOpens);
        let close = core.succeeded >= successes || !failed && self.is(Flaw::OneSuccessCloses);
        if open && all_in {
            self.open(core, now);
        } else if close {
            self.close(core, now);
        }
    }
}
