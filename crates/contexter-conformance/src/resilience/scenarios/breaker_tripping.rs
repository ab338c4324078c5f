//! What opens a breaker, and what does not.

use std::time::Duration;

use contexter_service::{BreakerState, Clock, StdClock};

use super::workbench::{Breakers, Workbench, count_window, streak, time_window};
use crate::Unsupported;
use crate::resilience::flight::{Flight, once};
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::breaker::{Abandonment, BreakerSettings, BreakerSubject, Slow};
use crate::verdict::{Checked, check, same};

const SECOND: Duration = Duration::from_secs(1);

/// Calls that fail until one is refused, at most `limit`.
fn failures_admitted(bench: &Workbench, limit: usize) -> Checked<usize> {
    for admitted in 0..limit {
        if !bench.go(Step::fail())? {
            return Ok(admitted);
        }
    }
    Ok(limit)
}

pub(super) fn window_slides(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &count_window(100, 10, 0.5))?;
    bench.repeat(10_000, Step::ok())?;
    let admitted = failures_admitted(&bench, 20_000)?;
    same("failures admitted after 10,000 successes", &admitted, &50)
}

pub(super) fn minimum_is_exact(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &count_window(100, 5, 0.5))?;
    let admitted = failures_admitted(&bench, 200)?;
    same("failures admitted with a minimum of 5", &admitted, &5)
}

pub(super) fn rate_is_inclusive(stand: &Breakers) -> Checked {
    let at_the_rate = Workbench::new(stand, &count_window(10, 10, 0.5))?;
    at_the_rate.repeat(5, Step::ok())?;
    at_the_rate.repeat(5, Step::fail())?;
    at_the_rate.refused("5 of 10 failed, at a rate of one half")?;

    let below = Workbench::new(stand, &count_window(10, 10, 0.5))?;
    below.repeat(6, Step::ok())?;
    below.repeat(4, Step::fail())?;
    below.admitted("4 of 10 failed, at a rate of one half", Step::ok())
}

pub(super) fn old_failures_expire(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &time_window(10 * SECOND, 6, 0.5))?;
    bench.repeat(5, Step::fail())?;
    bench.time.advance(11 * SECOND);
    bench.repeat(5, Step::ok())?;
    bench.failures("11 s after them, in a window of 10 s", 0)?;
    bench.admitted("the sixth call in the window", Step::fail())?;
    bench.admitted("1 of 6 in the window failed", Step::ok())?;

    // An idle time longer than any loop over its parts could bear.
    bench.time.advance(Duration::from_hours(24 * 365 * 20));
    let start = StdClock.now();
    bench.go(Step::fail())?;
    let took = StdClock.now() - start;
    check(took < SECOND, || {
        format!("the first call after 20 idle years: expected it to be quick, it took {took:?}")
    })?;
    bench.failures("after 20 idle years and one failure", 1)
}

/// The memory of it; whether a call also takes as long is for a benchmark to say, because a test that
/// measures time fails on a busy machine.
pub(super) fn cost_is_constant(stand: &Breakers) -> Checked {
    const FEW: usize = 100;
    const MANY: usize = 100_000;
    const MAX_GROWTH: u64 = 64 * 1024;

    let heap = stand
        .heap
        .ok_or_else(|| Unsupported::new("the suite was given no counters of memory"))?;
    let bench = Workbench::new(
        stand,
        &time_window(Duration::from_hours(24), 1_000_000, 1.0),
    )?;
    let op = Op::quiet(&bench.time);
    let breaker: &dyn BreakerSubject = &*bench.breaker;
    let call = |count: usize| -> Checked {
        for _ in 0..count {
            if breaker.at_once(&op).is_err() {
                let seen = once(breaker.call(&op));
                check(seen.is_ok(), || format!("expected a value, saw {seen}"))?;
            }
        }
        Ok(())
    };
    call(FEW)?;
    let before = (heap.live_bytes)();
    call(MANY)?;
    let grown = (heap.live_bytes)().saturating_sub(before);
    check(grown <= MAX_GROWTH, || {
        format!("memory of {MANY} calls: expected at most {MAX_GROWTH} bytes, saw {grown}")
    })
}

pub(super) fn streak_is_interrupted_by_success(stand: &Breakers) -> Checked {
    let neutral = Workbench::new(stand, &streak(5))?;
    neutral.repeat(4, Step::fail())?;
    neutral.repeat(1, Step::neutral())?;
    neutral.repeat(1, Step::fail())?;
    neutral.refused("4 failures, a neutral outcome, a failure; streak of 5")?;

    let success = Workbench::new(stand, &streak(5))?;
    success.repeat(4, Step::fail())?;
    success.repeat(1, Step::ok())?;
    success.repeat(4, Step::fail())?;
    success.admitted("4 failures, a success, 4 failures; streak of 5", Step::ok())
}

pub(super) fn slow_calls_open(stand: &Breakers) -> Checked {
    let settings = BreakerSettings {
        slow: Some(Slow {
            threshold: SECOND,
            rate: 0.5,
        }),
        ..count_window(4, 4, 1.0)
    };
    let bench = Workbench::new(stand, &settings)?;
    for millis in [1500, 100, 1500, 100] {
        let op = Op::new(&bench.time, Step::ok().after(Duration::from_millis(millis)));
        let seen = Flight::new(bench.breaker.call(&op)).drive(&bench.time);
        seen.expect_value("a call, slow or not", 1)?;
    }
    bench.refused("2 of 4 calls took longer than 1 s, at a slow rate of one half")?;

    let quick = Workbench::new(stand, &settings)?;
    for millis in [1500, 100, 100, 100] {
        let op = Op::new(&quick.time, Step::ok().after(Duration::from_millis(millis)));
        let seen = Flight::new(quick.breaker.call(&op)).drive(&quick.time);
        seen.expect_value("a call, slow or not", 1)?;
    }
    quick.admitted("1 of 4 calls took longer than 1 s", Step::ok())
}

pub(super) fn neutral_changes_nothing(stand: &Breakers) -> Checked {
    let in_a_row = Workbench::new(stand, &streak(5))?;
    in_a_row.repeat(4, Step::fail())?;
    in_a_row.repeat(100, Step::neutral())?;
    in_a_row.failures("after 4 failures and 100 neutral outcomes", 4)?;
    in_a_row.state(
        "after 4 failures and 100 neutral outcomes",
        BreakerState::Closed,
    )?;
    in_a_row.repeat(1, Step::fail())?;
    in_a_row.refused("4 failures, 100 neutral outcomes, a failure; streak of 5")?;

    let window = match Workbench::new(stand, &count_window(4, 4, 0.5)) {
        Ok(window) => window,
        Err(crate::Verdict::NotApplicable(_)) => return Ok(()),
        Err(broken) => return Err(broken),
    };
    window.repeat(100, Step::neutral())?;
    window.repeat(2, Step::ok())?;
    window.repeat(1, Step::fail())?;
    window.repeat(100, Step::neutral())?;
    window.admitted("3 outcomes that count, with a minimum of 4", Step::fail())?;
    window.refused("2 of 4 failed, and 200 neutral outcomes")
}

pub(super) fn first_window_counts(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &time_window(60 * SECOND, 5, 0.5))?;
    let admitted = failures_admitted(&bench, 100)?;
    same("failures admitted in the first moment", &admitted, &5)
}

pub(super) fn dropped_calls_count_as_set(stand: &Breakers) -> Checked {
    let drop_some = |settings: BreakerSettings| {
        let bench = Workbench::new(stand, &settings)?;
        let mut admitted = 0;
        for _ in 0..50 {
            let op = Op::new(&bench.time, Step::hang());
            drop(once(bench.breaker.call(&op)));
            admitted += op.started();
        }
        Ok::<_, crate::Verdict>((bench, admitted))
    };
    for settings in [streak(5), count_window(100, 5, 0.5)] {
        let (bench, admitted) = match drop_some(BreakerSettings {
            abandoned: Abandonment::Failure,
            ..settings
        }) {
            Err(crate::Verdict::NotApplicable(_)) if settings != streak(5) => return Ok(()),
            done => done?,
        };
        same("dropped calls admitted, 5 of which open it", &admitted, &5)?;
        bench.refused("5 dropped calls that count as failures")?;

        let (bench, admitted) = drop_some(BreakerSettings {
            abandoned: Abandonment::Ignore,
            ..settings
        })?;
        same(
            "dropped calls admitted, none of which counts",
            &admitted,
            &50,
        )?;
        bench.admitted("50 dropped calls that count as nothing", Step::ok())?;
    }
    Ok(())
}

pub(super) fn defaults_see_low_traffic(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &BreakerSettings::default())?;
    for _ in 0..60 {
        if !bench.go(Step::fail())? {
            return Ok(());
        }
        bench.time.advance(SECOND / 2);
    }
    check(false, || {
        "a dead far side, default settings: expected a call to be refused in 30 s, saw 60 admitted"
            .to_owned()
    })
}
