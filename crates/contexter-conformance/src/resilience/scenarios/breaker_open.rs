//! What an open breaker does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_service::{BreakerState, Jitter};

use super::workbench::{BREAK, Breakers, JUST, Workbench, just_before, streak};
use crate::resilience::flight::once;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::breaker::{BreakerSettings, Growth};
use crate::verdict::{Checked, check, same};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn refuses_without_beginning(stand: &Breakers) -> Checked {
    let bench = Workbench::opened(stand, BreakerSettings::default())?;
    for _ in 0..10 {
        let op = Op::new(&bench.time, Step::ok());
        let seen = once(bench.breaker.call(&op));
        check(seen.failure().is_some(), || {
            format!("expected a refusal while open, saw {seen}")
        })?;
        same("runs begun while open", &op.started(), &0)?;
        same("services readied while open", &op.readied(), &0)?;
    }
    Ok(())
}

pub(super) fn refusal_says_when(stand: &Breakers) -> Checked {
    let bench = Workbench::opened(stand, BreakerSettings::default())?;
    let mut before = BREAK + JUST;
    let mut passed = Duration::ZERO;
    for seconds in [0, 1, 3, 5] {
        bench.time.advance(seconds * SECOND);
        passed += seconds * SECOND;
        let left = bench.remaining("during the break")?.unwrap_or_default();
        check(!left.is_zero() && left <= BREAK && left < before, || {
            format!(
                "remaining time {passed:?} into a break of {BREAK:?}: expected it above zero, at \
                 most the break, and less than {before:?}; saw {left:?}"
            )
        })?;
        before = left;
    }
    Ok(())
}

pub(super) fn break_ends_exactly(stand: &Breakers) -> Checked {
    let bench = Workbench::opened(stand, BreakerSettings::default())?;
    bench.time.advance(just_before(BREAK));
    bench.refused("just before the end of the break")?;
    bench.time.advance(JUST);
    bench.admitted("at the very end of the break", Step::ok())
}

pub(super) fn late_outcomes_change_nothing(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(1))?;
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let listens = bench.breaker.listen(Arc::new(move |_from, to| {
        if to == BreakerState::Open {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let late = [
        (bench.hang("closed")?, Step::fail()),
        (bench.hang("closed")?, Step::ok()),
        (bench.hang("closed")?, Step::fail()),
    ];
    bench.repeat(1, Step::fail())?;
    bench.time.advance(4 * SECOND);
    for (call, step) in late {
        drop(call.end(step));
        bench.refused("after a late outcome while open")?;
        bench.state("after a late outcome while open", BreakerState::Open)?;
    }
    if listens.is_ok() {
        same("times that it opened", &opened.load(Ordering::SeqCst), &1)?;
    }
    bench.time.advance(just_before(6 * SECOND));
    bench.refused("just before the end of the first break")?;
    bench.time.advance(JUST);
    bench.admitted("at the end of the first break", Step::ok())
}

fn growing(jitter: Jitter) -> BreakerSettings {
    BreakerSettings {
        break_for: SECOND,
        growth: Some(Growth {
            factor: 2.0,
            cap: 8 * SECOND,
            jitter,
        }),
        ..streak(1)
    }
}

pub(super) fn breaks_grow(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &growing(Jitter::None))?;
    for round in 1..=2 {
        bench.admitted("closed", Step::fail())?;
        for (number, expected) in [1, 2, 4, 8, 8].into_iter().enumerate() {
            let when = format!("break {} of round {round}", number + 1);
            bench.time.advance(just_before(expected * SECOND));
            bench.refused(&format!("just before {expected} s of {when}"))?;
            bench.time.advance(JUST);
            let step = if number == 4 {
                Step::ok()
            } else {
                Step::fail()
            };
            bench.admitted(&format!("after {expected} s of {when}"), step)?;
        }
    }

    // With jitter the length of a break is known by what the refusal says.
    for (jitter, low) in [
        (Jitter::None, 1.0),
        (Jitter::Equal, 0.5),
        (Jitter::Full, 0.0),
    ] {
        let bench = match Workbench::new(stand, &growing(jitter)) {
            Ok(bench) => bench,
            Err(crate::Verdict::NotApplicable(_)) => continue,
            Err(broken) => return Err(broken),
        };
        bench.admitted("closed", Step::fail())?;
        for number in 0..10_000_u32 {
            let ceiling = SECOND * 2_u32.saturating_pow(number).min(8);
            let op = Op::new(&bench.time, Step::ok());
            let seen = once(bench.breaker.call(&op));
            let left = match seen.failure() {
                Some(crate::resilience::Failure::Open(open)) => {
                    open.retry_after.unwrap_or_default()
                }
                // Full jitter may give no break at all.
                _ => Duration::ZERO,
            };
            check(left >= ceiling.mul_f64(low) && left <= ceiling, || {
                format!(
                    "break {} with {jitter:?} jitter: expected {low} to 1 of {ceiling:?}, saw \
                     {left:?}",
                    number + 1
                )
            })?;
            if left.is_zero() {
                return Ok(());
            }
            bench.time.advance(left);
            bench.admitted("after the break", Step::fail())?;
        }
    }
    Ok(())
}
