//! What a half-open breaker does, and whose outcome counts.

use std::time::Duration;

use contexter_service::BreakerState;

use super::workbench::{BREAK, Breakers, JUST, PAST_BREAK, Workbench, just_before, streak};
use crate::resilience::flight::{Flight, Seen, once};
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::breaker::{Abandonment, BreakerSettings};
use crate::verdict::{Checked, check, same};

fn probes(probes: u32, successes: u32) -> BreakerSettings {
    BreakerSettings {
        probes,
        successes,
        ..BreakerSettings::default()
    }
}

pub(super) fn probes_are_bounded(stand: &Breakers) -> Checked {
    for permitted in [1, 3, 10] {
        let bench = Workbench::after_break(stand, probes(permitted, permitted))?;
        let op = Op::new(&bench.time, Step::hang());
        let mut flights: Vec<_> = (0..100)
            .map(|_| Flight::new(bench.breaker.call(&op)))
            .collect();
        let refused = flights
            .iter_mut()
            .filter_map(|flight| (!flight.poll().is_pending()).then_some(()))
            .count();
        let expected = usize::try_from(permitted).unwrap_or(usize::MAX);
        let what = format!("of 100 concurrent calls with {permitted} permitted");
        same(&format!("begun {what}"), &op.started(), &expected)?;
        same(
            &format!("refused at once {what}"),
            &refused,
            &(100 - expected),
        )?;
    }

    let bench = Workbench::after_break(stand, probes(3, 3))?;
    let op = Op::new(&bench.time, Step::hang());
    let flights: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let breaker = bench.breaker.sibling();
                let op = &op;
                scope.spawn(move || {
                    let mut flights = Vec::new();
                    for _ in 0..25 {
                        let mut flight = Flight::new(breaker.call(op));
                        drop(flight.poll());
                        flights.push(flight);
                    }
                    flights
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    same("threads that ended well", &flights.len(), &8)?;
    same("begun by 8 threads with 3 permitted", &op.started(), &3)
}

pub(super) fn dropped_probe(stand: &Breakers) -> Checked {
    let bench = Workbench::after_break(stand, probes(1, 1))?;
    let op = Op::new(&bench.time, Step::hang());
    drop(Flight::new(bench.breaker.call(&op)));
    let probe = bench.hang("after a probe was dropped before its first poll")?;
    bench.refused("while the only probe is in flight")?;
    drop(probe);
    bench.state(
        "after dropped probes that teach nothing",
        BreakerState::HalfOpen,
    )?;
    bench.admitted("after a probe was dropped while pending", Step::ok())?;
    bench.state("after a probe succeeded", BreakerState::Closed)?;

    let counting = Workbench::after_break(
        stand,
        BreakerSettings {
            abandoned: Abandonment::Failure,
            ..probes(1, 1)
        },
    )?;
    drop(counting.hang("the first probe")?);
    counting.refused("after a dropped probe that counts as a failure")?;
    counting.time.advance(PAST_BREAK);
    counting.admitted("after the break that the dropped probe caused", Step::ok())
}

pub(super) fn panicking_probe(stand: &Breakers) -> Checked {
    let bench = Workbench::after_break(stand, probes(1, 1))?;
    let op = Op::new(&bench.time, Step::panic());
    let seen = once(bench.breaker.call(&op));
    check(op.started() == 1, || {
        format!("expected the probe to be admitted, saw {seen}")
    })?;
    check(matches!(seen, Seen::Panicked), || {
        format!("expected the operation's panic, saw {seen}")
    })?;
    // A failure or nothing: either way a probe passes at the latest after another break.
    if !bench.go(Step::ok())? {
        bench.time.advance(PAST_BREAK);
        bench.admitted("one break after a probe panicked", Step::ok())?;
    }
    bench.state("after a probe succeeded", BreakerState::Closed)?;
    bench.admitted("closed again", Step::fail())?;
    bench.refused("after one failure, with a streak of 1")
}

pub(super) fn neutral_probe(stand: &Breakers) -> Checked {
    let bench = Workbench::after_break(stand, probes(1, 1))?;
    for number in 1..=100 {
        bench.admitted(&format!("neutral probe {number}"), Step::neutral())?;
        bench.state("after a neutral probe", BreakerState::HalfOpen)?;
    }
    let probe = bench.hang("after 100 neutral probes")?;
    bench.refused("half-open, with the only probe in flight")?;
    drop(probe.end(Step::ok()));
    bench.state("after a probe succeeded", BreakerState::Closed)?;

    let failing = Workbench::after_break(stand, probes(1, 1))?;
    failing.admitted("a neutral probe", Step::neutral())?;
    failing.admitted("the probe after a neutral one", Step::fail())?;
    failing.refused("after a probe failed")
}

pub(super) fn hung_probe(stand: &Breakers) -> Checked {
    let limit = Duration::from_secs(5);
    let bench = Workbench::after_break(
        stand,
        BreakerSettings {
            half_open_for: Some(limit),
            ..probes(1, 1)
        },
    )?;
    let hung = bench.hang("the first probe")?;
    bench.time.advance(just_before(limit));
    bench.refused("while the only probe hangs")?;
    bench.time.advance(JUST);
    // Its place is taken back, or the breaker opens for another break.
    if !bench.go(Step::neutral())? {
        bench.time.advance(PAST_BREAK);
        bench.admitted(
            "the limit of half-open and a break after a probe hung",
            Step::neutral(),
        )?;
    }
    bench.admitted("after a neutral probe", Step::ok())?;
    bench.state("after a probe succeeded", BreakerState::Closed)?;
    drop(hung.end(Step::fail()));
    bench.state("after the hung probe failed at last", BreakerState::Closed)?;
    bench.admitted("after the hung probe failed at last", Step::ok())
}

pub(super) fn stale_success(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(1))?;
    let stale = bench.hang("closed")?;
    bench.repeat(1, Step::fail())?;
    bench.time.advance(PAST_BREAK);
    let probe = bench.hang("after the break")?;
    drop(stale.end(Step::ok()));
    bench.state(
        "after a success from before the trip",
        BreakerState::HalfOpen,
    )?;
    bench.refused("after a success from before the trip, with the probe in flight")?;
    drop(probe.end(Step::fail()));
    bench.refused("after the probe failed")
}

pub(super) fn stale_failure(stand: &Breakers) -> Checked {
    let bench = Workbench::new(stand, &streak(1))?;
    let stale = bench.hang("closed")?;
    let later = bench.hang("closed")?;
    bench.repeat(1, Step::fail())?;
    bench.time.advance(PAST_BREAK);
    let probe = bench.hang("after the break")?;
    drop(stale.end(Step::fail()));
    bench.state(
        "after a failure from before the trip",
        BreakerState::HalfOpen,
    )?;
    drop(probe.end(Step::ok()));
    bench.state("after the probe succeeded", BreakerState::Closed)?;
    drop(later.end(Step::fail()));
    bench.admitted("closed, after a failure from before the trip", Step::ok())
}

pub(super) fn stale_probe(stand: &Breakers) -> Checked {
    for late in [Step::ok(), Step::fail(), Step::neutral()] {
        let bench = Workbench::after_break(stand, probes(2, 2))?;
        let of_the_first = bench.hang("period 1")?;
        bench.admitted("period 1", Step::fail())?;
        bench.refused("after a probe failed")?;
        bench.time.advance(PAST_BREAK);
        let one = bench.hang("period 2")?;
        let other = bench.hang("period 2")?;
        drop(of_the_first.end(late));
        let when = "after a probe of period 1 ended in period 2";
        bench.state(when, BreakerState::HalfOpen)?;
        bench.refused(&format!("{when}, with both probes in flight"))?;
        drop(one.end(Step::ok()));
        bench.state(
            &format!("{when}, and one of two succeeded"),
            BreakerState::HalfOpen,
        )?;
        drop(other.end(Step::ok()));
        bench.state(&format!("{when}, and both succeeded"), BreakerState::Closed)?;
        bench.admitted("closed", Step::ok())?;
    }
    Ok(())
}

pub(super) fn m_of_n(stand: &Breakers) -> Checked {
    let closing = Workbench::after_break(stand, probes(5, 3))?;
    let mut flights = Vec::new();
    for _ in 0..5 {
        flights.push(closing.hang("one of 5 probes")?);
    }
    closing.refused("with 5 of 5 probes in flight")?;
    // Failures that leave 3 of 5 possible decide nothing.
    for (number, step) in [
        Step::fail(),
        Step::ok(),
        Step::fail(),
        Step::ok(),
        Step::ok(),
    ]
    .into_iter()
    .enumerate()
    {
        closing.state(
            &format!("after {number} of 5 probes, 3 successes to close"),
            BreakerState::HalfOpen,
        )?;
        if let Some(flight) = flights.pop() {
            drop(flight.end(step));
        }
    }
    closing.state("after the third success of 5 probes", BreakerState::Closed)?;
    closing.admitted("after the third success of 5 probes", Step::ok())?;

    let opening = Workbench::after_break(stand, probes(5, 3))?;
    for _ in 0..5 {
        flights.push(opening.hang("one of 5 probes")?);
    }
    for number in 1..=3 {
        opening.state(
            &format!("before failure {number} of 3"),
            BreakerState::HalfOpen,
        )?;
        if let Some(flight) = flights.pop() {
            drop(flight.end(Step::fail()));
        }
    }
    opening.state(
        "after 3 of 5 probes failed, 2 in flight",
        BreakerState::Open,
    )?;
    opening.refused("after 3 of 5 probes failed, 2 in flight")?;
    drop(flights);
    opening.time.advance(just_before(BREAK));
    opening.refused("just before the end of the second break")?;
    opening.time.advance(2 * JUST);
    opening.admitted("after the second break", Step::ok())?;

    let strict = Workbench::after_break(stand, probes(3, 3))?;
    strict.admitted("a probe", Step::ok())?;
    strict.admitted("a probe", Step::ok())?;
    strict.admitted("a probe", Step::fail())?;
    strict.refused("after one of 3 probes failed, of which 3 must succeed")?;

    let in_turn = Workbench::after_break(stand, probes(3, 3))?;
    for number in 1..=3 {
        in_turn.admitted(
            &format!("probe {number} of 3, after the one before"),
            Step::ok(),
        )?;
    }
    in_turn.state("after 3 probes in turn succeeded", BreakerState::Closed)
}
