//! Who else sees and moves a breaker: listeners, hands, settings, other handles.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use contexter_service::{BreakerState, Jitter};

use super::workbench::{
    BREAK, Breakers, JUST, PAST_BREAK, Workbench, count_window, just_before, streak, time_window,
};
use crate::resilience::flight::once;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::breaker::{BreakerSettings, BreakerSubject, Growth, Slow};
use crate::verdict::{Checked, check, same};
use crate::{Refusal, Verdict};

/// How long a call may take before it counts as stuck; it only passes when something is wrong.
const STUCK: Duration = Duration::from_secs(5);

type Walk = Arc<Mutex<Vec<(BreakerState, BreakerState)>>>;

/// The transitions must be those of a breaker that began closed.
fn check_walk(walk: &[(BreakerState, BreakerState)], last: Option<BreakerState>) -> Checked {
    use BreakerState::{Closed, HalfOpen, Open};
    let mut state = Closed;
    for (number, &(from, to)) in walk.iter().enumerate() {
        let step = format!("transition {} of {}", number + 1, walk.len());
        same(&format!("{step} begins in"), &from, &state)?;
        let allowed = matches!(
            (from, to),
            (Closed, Open) | (Open, HalfOpen) | (HalfOpen, Closed | Open)
        );
        check(allowed, || {
            format!("{step}: expected one that a breaker can make, saw {from} to {to}")
        })?;
        state = to;
    }
    last.map_or(Ok(()), |last| same("the state in the end", &state, &last))
}

pub(super) fn transitions_are_told_once(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(1))?;
    let walk = Walk::default();
    let heard = Arc::clone(&walk);
    bench.breaker.listen(Arc::new(move |from, to| {
        let mut walk = heard.lock().unwrap_or_else(PoisonError::into_inner);
        walk.push((from, to));
    }))?;
    // In rounds, so that what waits to be told stays below any bound that a breaker may have.
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for thread in 0..8_u32 {
                let breaker = bench.breaker.sibling();
                let time = bench.time.clone();
                scope.spawn(move || {
                    for call in 0..50_u32 {
                        let step = if (call + thread).is_multiple_of(3) {
                            Step::fail()
                        } else {
                            Step::ok()
                        };
                        drop(once(breaker.call(&Op::new(&time, step))));
                        time.advance(BREAK / 4);
                    }
                });
            }
        });
    }
    let walk = walk.lock().unwrap_or_else(PoisonError::into_inner).clone();
    check(walk.len() > 3, || {
        format!("expected many transitions, saw {}", walk.len())
    })?;
    check_walk(&walk, bench.breaker.state().ok())
}

pub(super) fn by_hand_holds(stand: &Breakers) -> Checked {
    let isolated = Workbench::new(stand, &streak(2))?;
    isolated.breaker.isolate()?;
    for _ in 0..20 {
        isolated.refused("isolated")?;
        isolated.time.advance(PAST_BREAK);
    }
    isolated.breaker.release()?;
    isolated.admitted("released", Step::ok())?;

    let forced = Workbench::opened(stand, BreakerSettings::default())?;
    forced.breaker.force_close()?;
    forced.repeat(100, Step::fail())?;
    forced.breaker.release()?;
    forced.admitted("released, with a streak of 1", Step::fail())?;
    forced.refused("released, after one failure with a streak of 1")?;

    // A call admitted before belongs to the time before.
    let before = Workbench::new(stand, &streak(1))?;
    let call = before.hang("closed")?;
    before.breaker.isolate()?;
    drop(call.end(Step::ok()));
    before.refused("isolated, after a success from before")
}

pub(super) fn handles_share(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(4))?;
    let siblings = [
        bench.breaker.sibling(),
        bench.breaker.sibling(),
        bench.breaker.sibling().sibling(),
    ];
    for sibling in &siblings {
        let seen = once(sibling.call(&Op::new(&bench.time, Step::fail())));
        seen.expect_fault("a failure through another handle", 1)?;
    }
    bench.admitted(
        "3 failures through other handles, a streak of 4",
        Step::fail(),
    )?;
    bench.refused("4 failures through 4 handles, a streak of 4")?;
    for sibling in &siblings {
        let op = Op::new(&bench.time, Step::ok());
        let seen = once(sibling.call(&op));
        check(op.started() == 0, || {
            format!("another handle of an open breaker: expected a refusal, saw {seen}")
        })?;
        if let Ok(state) = sibling.state() {
            same("the state by another handle", &state, &BreakerState::Open)?;
        }
    }
    Ok(())
}

/// Opens and closes a breaker with a listener; the outcomes must reach the callers.
fn with_listener(bench: &Workbench, told: &AtomicUsize) -> Checked {
    for round in 1..=3 {
        let failed = once(bench.breaker.call(&Op::new(&bench.time, Step::fail())));
        failed.expect_fault("the call that opens it", 1)?;
        bench.refused(&format!("opened for the time {round}"))?;
        bench.time.advance(PAST_BREAK);
        let closed = once(bench.breaker.call(&Op::new(&bench.time, Step::ok())));
        closed.expect_value("the probe that closes it", 1)?;
    }
    check(told.load(Ordering::SeqCst) >= 9, || {
        format!(
            "expected 9 transitions to be told, saw {}",
            told.load(Ordering::SeqCst)
        )
    })
}

/// Runs `scenario` in a thread of its own, so that a deadlock is a finding.
fn unstuck(scenario: impl FnOnce() -> Checked + Send + 'static) -> Checked {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(scenario());
    });
    match wait.recv_timeout(STUCK) {
        Ok(found) => found,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            drop(thread.join());
            Err(Verdict::Fail(
                "expected no panic, the caller got one".to_owned(),
            ))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Verdict::Fail(format!(
            "expected the calls to end, they were stuck for {STUCK:?}"
        ))),
    }
}

pub(super) fn listeners_are_harmless(stand: &Breakers) -> Checked {
    let panicking = Workbench::new(stand, &streak(1))?;
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    panicking.breaker.listen(Arc::new(move |_from, _to| {
        count.fetch_add(1, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new("a scripted panic"));
    }))?;
    unstuck(move || with_listener(&panicking, &told))?;

    let curious = Workbench::new(stand, &streak(1))?;
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    // Through a cell, because the listener must be there before its own handle is.
    let handle: Arc<OnceLock<Box<dyn BreakerSubject>>> = Arc::default();
    let back = Arc::clone(&handle);
    let time = curious.time.clone();
    let calling_back = AtomicUsize::new(0);
    curious.breaker.listen(Arc::new(move |_from, _to| {
        count.fetch_add(1, Ordering::SeqCst);
        let Some(breaker) = back.get() else { return };
        let _ = breaker.state();
        let _ = breaker.failures();
        let _ = breaker.release();
        // A call from the listener moves the breaker on; not from within itself, endlessly.
        if calling_back.fetch_add(1, Ordering::SeqCst) == 0 {
            drop(once(breaker.call(&Op::new(&time, Step::neutral()))));
        }
        calling_back.fetch_sub(1, Ordering::SeqCst);
    }))?;
    let _ = handle.set(curious.breaker.sibling());
    unstuck(move || with_listener(&curious, &told))
}

pub(super) fn settings_keep_state(stand: &Breakers) -> Checked {
    let open = Workbench::opened(stand, BreakerSettings::default())?;
    let left = BREAK.saturating_sub(Duration::from_secs(3));
    open.time.advance(Duration::from_secs(3));
    open.breaker.reconfigure(&BreakerSettings {
        break_for: 6 * BREAK,
        ..streak(3)
    })?;
    open.state("after new settings while open", BreakerState::Open)?;
    open.time.advance(just_before(left));
    open.refused("just before the end of the break that had begun before the new settings")?;
    open.time.advance(JUST);
    open.admitted(
        "at the end of the break that had begun before the new settings",
        Step::ok(),
    )?;

    let closed = Workbench::new(stand, &streak(5))?;
    closed.repeat(3, Step::fail())?;
    closed.breaker.reconfigure(&streak(4))?;
    closed.state("after new settings while closed", BreakerState::Closed)?;
    // One more opens it if the failures were kept, four if they were cleared.
    let mut admitted = 0;
    while admitted < 10 && closed.go(Step::fail())? {
        admitted += 1;
    }
    check(admitted == 1 || admitted == 4, || {
        format!(
            "failures admitted with a streak of 4 after 3 failures and new settings: expected 1 \
             (kept) or 4 (cleared), saw {admitted}"
        )
    })?;

    let refused = open.breaker.reconfigure(&BreakerSettings {
        break_for: Duration::ZERO,
        ..streak(1)
    });
    check(matches!(refused, Err(Refusal::Invalid(_))), || {
        format!("a break of zero at run time: expected it to be refused, saw {refused:?}")
    })
}

pub(super) fn bad_settings(stand: &Breakers) -> Checked {
    let zero = Duration::ZERO;
    let second = Duration::from_secs(1);
    let slow = |threshold, rate| BreakerSettings {
        slow: Some(Slow { threshold, rate }),
        ..count_window(10, 5, 0.5)
    };
    let growth = |factor, cap| BreakerSettings {
        growth: Some(Growth {
            factor,
            cap,
            jitter: Jitter::None,
        }),
        ..streak(1)
    };
    let no_break = BreakerSettings {
        break_for: zero,
        ..streak(1)
    };
    let two_faults = BreakerSettings {
        break_for: zero,
        ..streak(0)
    };
    let cases = [
        ("a streak of 0", streak(0), 1),
        ("a rate of 0", count_window(10, 5, 0.0), 1),
        ("a rate of NaN", count_window(10, 5, f64::NAN), 1),
        ("a rate above 1", count_window(10, 5, 1.5), 1),
        ("a negative rate", count_window(10, 5, -0.5), 1),
        ("a window of 0 calls", count_window(0, 0, 0.5), 1),
        ("a minimum of 0", count_window(10, 0, 0.5), 1),
        ("a minimum above the window", count_window(10, 11, 0.5), 1),
        ("a window of no time", time_window(zero, 5, 0.5), 1),
        (
            "a rate of NaN over time",
            time_window(second, 5, f64::NAN),
            1,
        ),
        ("a slow rate above 1", slow(second, 2.0), 1),
        ("a slow threshold of zero", slow(zero, 0.5), 1),
        ("a break of zero", no_break, 1),
        ("a factor below 1", growth(0.5, 600 * second), 1),
        ("a factor of NaN", growth(f64::NAN, 600 * second), 1),
        ("a cap below the break", growth(2.0, second), 1),
        (
            "no probes",
            BreakerSettings {
                probes: 0,
                ..streak(1)
            },
            1,
        ),
        (
            "no successes",
            BreakerSettings {
                successes: 0,
                ..streak(1)
            },
            1,
        ),
        (
            "a half-open limit of zero",
            BreakerSettings {
                half_open_for: Some(zero),
                ..streak(1)
            },
            1,
        ),
        ("a break of zero and a streak of 0", two_faults, 2),
    ];
    super::refuses_all(stand, cases)?;
    // The greatest values that are allowed.
    let (_breaker, _time) = stand.make(&streak(1))?;
    match stand.make(&count_window(10, 10, 1.0)) {
        Ok(_) | Err(Verdict::NotApplicable(_)) => Ok(()),
        Err(broken) => Err(broken),
    }
}

pub(super) fn gauges_add_up(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(1))?;
    let expect = |when: &str, state: BreakerState| {
        let gauges = bench.breaker.gauges()?;
        let on: Vec<_> = gauges
            .iter()
            .filter(|(_, value)| *value != 0.0)
            .map(|&(state, _)| state)
            .collect();
        same(
            &format!("states whose gauge is not 0, {when}"),
            &on,
            &vec![state],
        )
    };
    bench.breaker.gauges()?;
    for round in 1..=3 {
        bench.admitted("closed", Step::fail())?;
        expect(&format!("opened for the time {round}"), BreakerState::Open)?;
        bench.time.advance(PAST_BREAK);
        let probe = bench.hang("after the break")?;
        expect("with a probe in flight", BreakerState::HalfOpen)?;
        drop(probe.end(Step::ok()));
        expect("after the probe succeeded", BreakerState::Closed)?;
    }
    Ok(())
}
