//! A breaker on its time, and the moves that its scenarios are made of.

use std::time::Duration;

use contexter_service::BreakerState;

use crate::resilience::Time;
use crate::resilience::flight::{Flight, Seen, once};
use crate::resilience::op::Op;
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::breaker::{BreakerSettings, BreakerSubject, Trip};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

pub(crate) type Breakers = Stand<BreakerSettings, dyn BreakerSubject>;

/// The break of the default settings.
pub(crate) const BREAK: Duration = Duration::from_secs(10);
/// As near to a boundary as a subject is expected to tell.
pub(crate) const JUST: Duration = Duration::from_millis(1);

/// A moment in which a break is surely over; that it ends exactly is a rule of its own.
pub(crate) const PAST_BREAK: Duration = Duration::from_millis(10_001);

/// The last moment before `duration` is over.
pub(crate) fn just_before(duration: Duration) -> Duration {
    duration.saturating_sub(JUST)
}

/// Default settings that open at `failures` in a row.
pub(crate) fn streak(failures: u32) -> BreakerSettings {
    BreakerSettings {
        trip: Trip::Streak(failures),
        ..BreakerSettings::default()
    }
}

/// Default settings with a window of calls.
pub(crate) fn count_window(size: u32, minimum: u32, rate: f64) -> BreakerSettings {
    BreakerSettings {
        trip: Trip::CountWindow {
            size,
            minimum,
            rate,
        },
        ..BreakerSettings::default()
    }
}

/// Default settings with a window of time.
pub(crate) fn time_window(length: Duration, minimum: u32, rate: f64) -> BreakerSettings {
    BreakerSettings {
        trip: Trip::TimeWindow {
            length,
            minimum,
            rate,
        },
        ..BreakerSettings::default()
    }
}

pub(crate) struct Workbench {
    pub(crate) breaker: Box<dyn BreakerSubject>,
    pub(crate) time: Time,
}

/// A call that hangs until the scenario ends it.
pub(crate) struct Hanging {
    op: Op,
    flight: Flight,
}

impl Hanging {
    /// Lets the call end as `step` says.
    pub(crate) fn end(mut self, step: Step) -> Seen {
        self.op.finish(0, step);
        self.flight.poll()
    }
}

impl Workbench {
    pub(crate) fn new(stand: &Breakers, settings: &BreakerSettings) -> Checked<Self> {
        let (breaker, time) = stand.make(settings)?;
        Ok(Self { breaker, time })
    }

    /// A breaker that has just opened.
    pub(crate) fn opened(stand: &Breakers, settings: BreakerSettings) -> Checked<Self> {
        let bench = Self::new(
            stand,
            &BreakerSettings {
                trip: Trip::Streak(1),
                ..settings
            },
        )?;
        bench.admitted("the first call", Step::fail())?;
        bench.refused("after one failure, with a streak of 1")?;
        Ok(bench)
    }

    /// A breaker whose break is just over.
    pub(crate) fn after_break(stand: &Breakers, settings: BreakerSettings) -> Checked<Self> {
        let bench = Self::opened(stand, settings)?;
        bench.time.advance(settings.break_for + JUST);
        Ok(bench)
    }

    /// Makes one call that goes like `step`; returns whether it was admitted.
    pub(crate) fn go(&self, step: Step) -> Checked<bool> {
        let op = Op::new(&self.time, step);
        let seen = once(self.breaker.call(&op));
        Self::judge(&op, &seen)
    }

    /// Whether the call was admitted: it must have begun, or have been refused, and not both.
    fn judge(op: &Op, seen: &Seen) -> Checked<bool> {
        let refused = matches!(seen.failure(), Some(Failure::Open(_)));
        let begun = op.started() > 0;
        check(begun != refused, || {
            format!(
                "expected a call that is either begun or refused, saw {} runs and {seen}",
                op.started()
            )
        })?;
        Ok(begun)
    }

    /// Makes `count` calls that go like `step`; all must be admitted.
    pub(crate) fn repeat(&self, count: usize, step: Step) -> Checked {
        for number in 1..=count {
            let admitted = self.go(step)?;
            check(admitted, || {
                format!("expected all of {count} calls to be admitted, saw call {number} refused")
            })?;
        }
        Ok(())
    }

    pub(crate) fn admitted(&self, when: &str, step: Step) -> Checked {
        let admitted = self.go(step)?;
        check(admitted, || {
            format!("{when}: expected the call to be admitted, saw it refused")
        })
    }

    pub(crate) fn refused(&self, when: &str) -> Checked {
        let admitted = self.go(Step::ok())?;
        check(!admitted, || {
            format!("{when}: expected the call to be refused, saw it admitted")
        })
    }

    /// Makes a call that hangs; it must be admitted.
    pub(crate) fn hang(&self, when: &str) -> Checked<Hanging> {
        let op = Op::new(&self.time, Step::hang());
        let mut flight = Flight::new(self.breaker.call(&op));
        let seen = flight.poll();
        check(Self::judge(&op, &seen)?, || {
            format!("{when}: expected the call to be admitted, saw {seen}")
        })?;
        Ok(Hanging { op, flight })
    }

    /// The state must be this, if the subject tells.
    pub(crate) fn state(&self, when: &str, expected: BreakerState) -> Checked {
        match self.breaker.state() {
            Ok(state) => same(&format!("state {when}"), &state, &expected),
            Err(_untold) => Ok(()),
        }
    }

    /// The number of failures that count must be this, if the subject tells.
    pub(crate) fn failures(&self, when: &str, expected: u64) -> Checked {
        match self.breaker.failures() {
            Ok(failures) => same(&format!("failures {when}"), &failures, &expected),
            Err(_untold) => Ok(()),
        }
    }

    /// The remaining time that a refusal carries.
    pub(crate) fn remaining(&self, when: &str) -> Checked<Option<Duration>> {
        let op = Op::new(&self.time, Step::ok());
        let seen = once(self.breaker.call(&op));
        match seen.failure() {
            Some(Failure::Open(open)) => Ok(open.retry_after),
            _ => Err(crate::Verdict::Fail(format!(
                "{when}: expected the call to be refused, saw {seen}"
            ))),
        }
    }
}
