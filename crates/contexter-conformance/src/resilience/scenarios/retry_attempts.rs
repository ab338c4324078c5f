//! How many attempts a retry makes, when it stops, and what an attempt holds.

use std::time::Duration;

use contexter_service::{Clock, Cx, Jitter, later};

use crate::resilience::Time;
use crate::resilience::flight::{Flight, Seen};
use crate::resilience::op::{Ended, Op};
use crate::resilience::step::Step;
use crate::resilience::subjects::retry::{BudgetSettings, RetrySettings, RetrySubject};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};
use crate::{Unsupported, Verdict};

pub(super) type Retries = Stand<RetrySettings, dyn RetrySubject>;

const SECOND: Duration = Duration::from_secs(1);

/// Makes one call and moves the time until it has ended.
pub(super) fn run(retry: &dyn RetrySubject, time: &Time, cx: Cx, op: &Op) -> Checked<Seen> {
    Ok(Flight::new(retry.call(cx, op)?).drive(time))
}

/// Whether part of a scenario is left out, because the subject does not offer what it needs.
pub(super) fn optional<T>(part: Result<T, impl Into<Verdict>>) -> Checked<Option<T>> {
    match part.map_err(Into::into) {
        Ok(part) => Ok(Some(part)),
        Err(Verdict::NotApplicable(_)) => Ok(None),
        Err(broken) => Err(broken),
    }
}

pub(super) fn attempts_are_exact(stand: &Retries) -> Checked {
    for max_attempts in [1, 2, 3, 7] {
        let (retry, time) = stand.make(&RetrySettings {
            max_attempts,
            ..RetrySettings::default()
        })?;
        let expected = usize::try_from(max_attempts).unwrap_or(usize::MAX);
        let op = Op::new(&time, Step::fail());
        let seen = run(&*retry, &time, Cx::new(), &op)?;
        same("attempts that all fail", &op.started(), &expected)?;
        seen.expect_fault("attempts that all fail", expected)?;

        if let Some(call) = optional(retry.counted(Cx::new(), &Op::new(&time, Step::fail())))? {
            match Flight::new(call).drive(&time) {
                Seen::Ready((_reply, attempts)) => {
                    same("the number of attempts told", &attempts, &max_attempts)?;
                }
                _ => return Err(Verdict::Fail("a counted call did not end".to_owned())),
            }
        }
    }

    let (retry, time) = stand.make(&RetrySettings::default())?;
    let op = Op::steps(&time, [Step::fail(), Step::fail(), Step::ok()]);
    let seen = run(&*retry, &time, Cx::new(), &op)?;
    seen.expect_value("two failures and a success in 3 attempts", 3)?;
    let op = Op::new(&time, Step::fail().lasting());
    let seen = run(&*retry, &time, Cx::new(), &op)?;
    seen.expect_fault("an error that no attempt can help", 1)?;
    same("attempts at it", &op.started(), &1)?;

    // Whatever stops it, the error is the operation's own.
    let op = Op::new(&time, Step::fail());
    let cx = Cx::new().with_deadline(later(time.now(), SECOND / 2));
    if let Some(call) = optional(retry.call(cx, &op))? {
        let seen = Flight::new(call).drive(&time);
        seen.expect_fault("stopped by the deadline", 1)?;
    }
    let budget = Some(BudgetSettings {
        ratio: 0.001,
        reserve: 1,
    });
    let budgeted = stand.make(&RetrySettings {
        max_attempts: 5,
        budget,
        ..RetrySettings::default()
    });
    if let Some((retry, time)) = optional(budgeted)? {
        let op = Op::new(&time, Step::fail());
        let seen = run(&*retry, &time, Cx::new(), &op)?;
        seen.expect_fault("stopped by a budget of one retry", 2)?;
    }
    Ok(())
}

pub(super) fn elapsed_counts_attempts(stand: &Retries) -> Checked {
    let limited = |max_elapsed| RetrySettings {
        max_attempts: 10,
        max_elapsed: Some(max_elapsed),
        ..RetrySettings::default()
    };
    let (retry, time) = stand.make(&limited(5 * SECOND))?;
    let op = Op::new(&time, Step::fail().after(10 * SECOND));
    run(&*retry, &time, Cx::new(), &op)?.expect_fault("an attempt of 10 s, a limit of 5 s", 1)?;
    same("attempts of 10 s in a limit of 5 s", &op.started(), &1)?;

    // Delays of 1 s and 2 s end at 3 s: the second wait must not be begun.
    let (retry, time) = stand.make(&limited(3 * SECOND))?;
    let op = Op::new(&time, Step::fail());
    let start = time.now();
    run(&*retry, &time, Cx::new(), &op)?.expect_fault("delays that reach the limit", 2)?;
    let took = time.now() - start;
    same(
        "time until it gave up before a wait to the limit",
        &took,
        &SECOND,
    )
}

pub(super) fn deadline_holds(stand: &Retries) -> Checked {
    let settings = RetrySettings {
        max_attempts: 10,
        ..RetrySettings::default()
    };
    let (retry, time) = stand.make(&settings)?;
    let start = time.now();
    let deadline = later(start, SECOND * 5 / 2);
    let cx = Cx::new().with_deadline(deadline);
    let op = Op::new(&time, Step::fail());
    run(&*retry, &time, cx, &op)?
        .expect_fault("attempts at 0 s and 1 s, a deadline at 2.5 s", 2)?;
    same("time until it gave up", &(time.now() - start), &SECOND)?;
    for run in op.runs() {
        check(
            run.at < deadline && run.cx.deadline() == Some(deadline),
            || {
                format!(
                    "expected each attempt to know the deadline, saw {:?}",
                    run.cx
                )
            },
        )?;
    }

    let (retry, time) = stand.make(&settings)?;
    let cx = Cx::new().with_deadline(later(time.now(), SECOND * 5 / 2));
    let op = Op::new(&time, Step::fail().after(2 * SECOND));
    run(&*retry, &time, cx, &op)?.expect_fault("an attempt of 2 s, a deadline at 2.5 s", 1)?;
    same(
        "attempts of 2 s before a deadline at 2.5 s",
        &op.started(),
        &1,
    )
}

pub(super) fn idempotency_gate(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&RetrySettings::default())?;
    let once_only = Cx::new().with_idempotent(false);

    let sent = Op::steps(&time, [Step::fail(), Step::ok()]);
    run(&*retry, &time, once_only, &sent)?
        .expect_fault("not idempotent, and it may have been sent", 1)?;
    same("attempts at it", &sent.started(), &1)?;

    let unsent = Op::steps(&time, [Step::fail().not_sent(), Step::ok()]);
    run(&*retry, &time, once_only, &unsent)?
        .expect_value("not idempotent, and surely not sent", 2)?;

    // An idempotency key makes a call idempotent.
    let keyed = Op::steps(&time, [Step::fail(), Step::ok()]);
    run(&*retry, &time, Cx::new(), &keyed)?.expect_value("idempotent, and it may have been sent", 2)
}

pub(super) fn dropping_ends_it(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&RetrySettings::default())?;
    let op = Op::new(&time, Step::hang());
    let mut flight = Flight::new(retry.call(Cx::new(), &op)?);
    drop(flight.poll());
    drop(flight);
    time.advance(100 * SECOND);
    same(
        "runs of a call dropped in its first attempt",
        &op.started(),
        &1,
    )?;
    let ended = op.runs().first().and_then(|run| run.ended);
    same(
        "how the attempt of a dropped call ended",
        &ended,
        &Some(Ended::Dropped),
    )?;

    let op = Op::new(&time, Step::fail());
    let mut flight = Flight::new(retry.call(Cx::new(), &op)?);
    let seen = flight.poll();
    check(seen.is_pending(), || {
        format!("expected it to wait, saw {seen}")
    })?;
    drop(flight);
    same(
        "waits left by a call dropped while it waited",
        &time.sleepers(),
        &0,
    )?;
    time.advance(100 * SECOND);
    same("runs of a call dropped while it waited", &op.started(), &1)?;

    let budgeted = stand.make(&RetrySettings {
        budget: Some(BudgetSettings {
            ratio: 0.001,
            reserve: 1,
        }),
        ..RetrySettings::default()
    });
    let Some((retry, time)) = optional(budgeted)? else {
        return Ok(());
    };
    let mut waiting = Flight::new(retry.call(Cx::new(), &Op::new(&time, Step::fail()))?);
    drop(waiting.poll());
    drop(waiting);
    let op = Op::steps(&time, [Step::fail(), Step::ok()]);
    run(&*retry, &time, Cx::new(), &op)?.expect_value(
        "with the token of a retry that was dropped while it waited",
        2,
    )
}

pub(super) fn readies_each_attempt(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&RetrySettings::default())?;
    if !retry.readies() {
        return Err(Unsupported::new("is no service with readiness").into());
    }
    let op = Op::new(&time, Step::fail());
    run(&*retry, &time, Cx::new(), &op)?.expect_fault("attempts that all fail", 3)?;
    same(
        "calls of an instance that was not ready",
        &op.unready_calls(),
        &0,
    )?;
    check(op.readied() >= 3, || {
        format!(
            "3 attempts: expected each to be readied, saw {}",
            op.readied()
        )
    })?;

    for times in [0, 1] {
        let op = Op::ready_times(&time, times);
        let seen = run(&*retry, &time, Cx::new(), &op)?;
        let what = format!("an error of readiness after {times} runs");
        seen.expect_fault(&what, 0)?;
        same(
            &format!("times asked for readiness, {what}"),
            &op.readied(),
            &(times + 1),
        )?;
        same(&format!("runs, {what}"), &op.started(), &times)?;
    }
    Ok(())
}

pub(super) fn outcome_ends_before_the_wait(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&RetrySettings::default())?;
    let op = Op::new(&time, Step::fail());
    let mut flight = Flight::new(retry.call(Cx::new(), &op)?);
    let seen = flight.poll();
    check(seen.is_pending(), || {
        format!("expected it to wait, saw {seen}")
    })?;
    same("outcomes held while it waits", &op.held(), &0)?;
    same("attempts held while it waits", &op.running(), &0)
}

pub(super) fn bad_settings(stand: &Retries) -> Checked {
    let base = RetrySettings::default();
    let zero = Duration::ZERO;
    let budget = |ratio| RetrySettings {
        budget: Some(BudgetSettings { ratio, reserve: 1 }),
        ..base
    };
    super::refuses_all(
        stand,
        [
            (
                "no attempt",
                RetrySettings {
                    max_attempts: 0,
                    ..base
                },
                1,
            ),
            (
                "a base delay of zero",
                RetrySettings { base: zero, ..base },
                1,
            ),
            (
                "a base above the cap",
                RetrySettings {
                    base: 2 * SECOND,
                    cap: SECOND,
                    ..base
                },
                1,
            ),
            (
                "a factor below 1",
                RetrySettings {
                    factor: 0.5,
                    ..base
                },
                1,
            ),
            (
                "a factor of NaN",
                RetrySettings {
                    factor: f64::NAN,
                    ..base
                },
                1,
            ),
            (
                "an infinite factor",
                RetrySettings {
                    factor: f64::INFINITY,
                    ..base
                },
                1,
            ),
            (
                "a longest time of zero",
                RetrySettings {
                    max_elapsed: Some(zero),
                    ..base
                },
                1,
            ),
            ("a budget of NaN", budget(f64::NAN), 1),
            ("a negative budget", budget(-0.5), 1),
            (
                "no attempt and a base delay of zero",
                RetrySettings {
                    max_attempts: 0,
                    base: zero,
                    jitter: Jitter::Full,
                    ..base
                },
                2,
            ),
        ],
    )
}
