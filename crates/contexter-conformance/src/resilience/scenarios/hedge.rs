//! Attempts beside one another.

use std::time::Duration;

use contexter_service::{Clock, Cx};

use super::workbench::just_before;
use crate::Unsupported;
use crate::resilience::Time;
use crate::resilience::flight::{Flight, Seen};
use crate::resilience::op::{Ended, Op};
use crate::resilience::step::Step;
use crate::resilience::subjects::retry::{BudgetSettings, HedgeSettings, HedgeSubject};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

type Hedges = Stand<HedgeSettings, dyn HedgeSubject>;

const SECOND: Duration = Duration::from_secs(1);

/// Makes one call, moves the time until it has ended, and tells how long that took.
fn run(hedge: &dyn HedgeSubject, time: &Time, cx: Cx, op: &Op) -> Checked<(Seen, Duration)> {
    let start = time.now();
    let seen = Flight::new(hedge.call(cx, op)?).drive(time);
    Ok((seen, time.now() - start))
}

pub(super) fn fast_first(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    for step in [Step::ok(), Step::ok().after(just_before(SECOND))] {
        let op = Op::new(&time, step);
        let (seen, _took) = run(&*hedge, &time, Cx::new(), &op)?;
        seen.expect_value("a first attempt faster than the delay", 1)?;
        time.advance(10 * SECOND);
        same("attempts", &op.started(), &1)?;
    }
    same("waits left behind", &time.sleepers(), &0)
}

pub(super) fn slow_first(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    let second_wins = [Step::ok().after(10 * SECOND), Step::ok().after(SECOND)];
    let first_wins = [
        Step::ok().after(SECOND * 3 / 2),
        Step::ok().after(10 * SECOND),
    ];
    let cases = [
        ("the second is faster", second_wins, 2, 2 * SECOND),
        ("the first is faster", first_wins, 1, SECOND * 3 / 2),
    ];
    for (what, steps, winner, expected) in cases {
        let op = Op::steps(&time, steps);
        let mut flight = Flight::new(hedge.call(Cx::new(), &op)?);
        let start = time.now();
        let seen = flight.drive(&time);
        seen.expect_value(what, winner)?;
        same(&format!("time, {what}"), &(time.now() - start), &expected)?;
        same(
            &format!("when the second began, {what}"),
            &op.gaps(),
            &vec![SECOND],
        )?;
        let losers = op.runs().into_iter().enumerate();
        for (number, loser) in losers.filter(|(number, _)| number + 1 != winner) {
            same(
                &format!("how attempt {} ended, {what}", number + 1),
                &loser.ended,
                &Some(Ended::Dropped),
            )?;
        }
    }

    let (hedge, time) = stand.make(&HedgeSettings {
        max_attempts: 3,
        ..HedgeSettings::default()
    })?;
    let op = Op::new(&time, Step::hang());
    let mut flight = Flight::new(hedge.call(Cx::new(), &op)?);
    drop(flight.drive(&time));
    same("attempts of at most 3 that all hang", &op.started(), &3)?;
    same(
        "attempts begun at the delay",
        &op.gaps(),
        &vec![SECOND, SECOND],
    )?;
    drop(flight);
    same(
        "attempts that run on after the call was dropped",
        &op.running(),
        &0,
    )
}

pub(super) fn errors_begin_the_next(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    let op = Op::steps(&time, [Step::fail().after(SECOND / 4), Step::ok()]);
    let (seen, took) = run(&*hedge, &time, Cx::new(), &op)?;
    seen.expect_value("an error that may be retried, then a success", 2)?;
    same(
        "time until the second attempt succeeded",
        &took,
        &(SECOND / 4),
    )?;

    let op = Op::steps(
        &time,
        [
            Step::fail().after(3 * SECOND),
            Step::fail().after(SECOND / 2),
        ],
    );
    let (seen, took) = run(&*hedge, &time, Cx::new(), &op)?;
    seen.expect_fault("both fail, the first attempt last", 1)?;
    same("time until all have failed", &took, &(3 * SECOND))?;

    let op = Op::steps(&time, [Step::ok().after(3 * SECOND), Step::fail()]);
    let (seen, _took) = run(&*hedge, &time, Cx::new(), &op)?;
    seen.expect_value("the second attempt fails, the first succeeds later", 1)
}

pub(super) fn budget_spares_those_under_way(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings {
        budget: Some(BudgetSettings {
            ratio: 0.001,
            reserve: 1,
        }),
        ..HedgeSettings::default()
    })?;
    let op = Op::new(&time, Step::ok().after(10 * SECOND));
    let (seen, _took) = run(&*hedge, &time, Cx::new(), &op)?;
    check(seen.is_ok(), || format!("expected a value, saw {seen}"))?;
    same("attempts with a budget of one", &op.started(), &2)?;
    let op = Op::new(&time, Step::ok().after(10 * SECOND));
    let (seen, took) = run(&*hedge, &time, Cx::new(), &op)?;
    seen.expect_value("the attempt under way when the budget was used up", 1)?;
    same("attempts without a budget", &op.started(), &1)?;
    same("time of the attempt under way", &took, &(10 * SECOND))
}

pub(super) fn idempotency_gate(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    let cx = Cx::new().with_idempotent(false);
    let slow = Op::new(&time, Step::ok().after(10 * SECOND));
    let (seen, _took) = run(&*hedge, &time, cx, &slow)?;
    seen.expect_value("a slow call that is not idempotent", 1)?;
    same("attempts at it", &slow.started(), &1)?;
    let failing = Op::new(&time, Step::fail());
    let (seen, _took) = run(&*hedge, &time, cx, &failing)?;
    seen.expect_fault("a failing call that is not idempotent", 1)?;
    same("attempts at it", &failing.started(), &1)
}

pub(super) fn readies_each_attempt(stand: &Hedges) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    if !hedge.readies() {
        return Err(Unsupported::new("is no service with readiness").into());
    }
    let op = Op::steps(&time, [Step::fail(), Step::ok()]);
    let (seen, _took) = run(&*hedge, &time, Cx::new(), &op)?;
    seen.expect_value("an error that may be retried, then a success", 2)?;
    same(
        "calls of an instance that was not ready",
        &op.unready_calls(),
        &0,
    )
}
