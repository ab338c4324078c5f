//! A limit on how long a call takes.

use std::time::Duration;

use contexter_service::{Clock, Cx, later};

use super::retry_attempts::optional;
use super::workbench::{JUST, just_before};
use crate::resilience::flight::{Flight, Seen};
use crate::resilience::op::{Ended, Op};
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::around::TimeoutSubject;
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

type Timeouts = Stand<Duration, dyn TimeoutSubject>;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

fn expect_elapsed(what: &str, seen: &Seen) -> Checked {
    check(matches!(seen.failure(), Some(Failure::Elapsed(_))), || {
        format!("{what}: expected its time to be over, saw {seen}")
    })
}

pub(super) fn fires_on_time(stand: &Timeouts) -> Checked {
    let (timeout, time) = stand.make(&LIMIT)?;
    let op = Op::new(&time, Step::hang());
    let mut flight = Flight::new(timeout.call(Cx::new(), &op)?);
    let seen = flight.poll();
    check(seen.is_pending(), || {
        format!("at the start: expected it to run, saw {seen}")
    })?;
    time.advance(just_before(LIMIT));
    let seen = flight.poll();
    check(seen.is_pending(), || {
        format!("just before the limit: expected it to run, saw {seen}")
    })?;
    time.advance(JUST);
    check(flight.is_woken(), || {
        "at the limit: expected the caller to be woken, it was not".to_owned()
    })?;
    expect_elapsed("at the limit", &flight.poll())?;
    // The future of the call is still there, and must not hold the operation any more.
    let ended = op.runs().first().and_then(|run| run.ended);
    same(
        "how the operation had ended by then",
        &ended,
        &Some(Ended::Dropped),
    )?;
    same("waits left behind", &time.sleepers(), &0)?;

    let in_time = Op::new(&time, Step::ok().after(LIMIT));
    let mut flight = Flight::new(timeout.call(Cx::new(), &in_time)?);
    drop(flight.poll());
    time.advance(LIMIT);
    flight
        .poll()
        .expect_value("an outcome in the poll in which the time is over", 1)?;

    let ready = Op::new(&time, Step::ok());
    let mut flight = Flight::new(timeout.call(Cx::new(), &ready)?);
    flight
        .poll()
        .expect_value("an operation that is ready at once", 1)?;
    let failing = Op::new(&time, Step::fail());
    let mut flight = Flight::new(timeout.call(Cx::new(), &failing)?);
    flight
        .poll()
        .expect_fault("an operation that fails at once", 1)?;
    same(
        "waits left behind by those that were in time",
        &time.sleepers(),
        &0,
    )
}

pub(super) fn deadline_holds(stand: &Timeouts) -> Checked {
    let (timeout, time) = stand.make(&LIMIT)?;
    let start = time.now();
    for (left, expected) in [(2 * SECOND, 2 * SECOND), (20 * SECOND, LIMIT)] {
        let begun = time.now();
        let cx = Cx::new().with_deadline(later(begun, left));
        let op = Op::new(&time, Step::hang());
        let mut flight = Flight::new(timeout.call(cx, &op)?);
        let what = format!("{left:?} until the deadline, a limit of {LIMIT:?}");
        expect_elapsed(&what, &flight.drive(&time))?;
        same(
            &format!("time given, {what}"),
            &(time.now() - begun),
            &expected,
        )?;
        let told = op.runs().first().and_then(|run| run.cx.deadline());
        same(
            &format!("the deadline that the operation was told, {what}"),
            &told.map(|told| told - start),
            &Some(begun + expected - start),
        )?;
    }
    let op = Op::new(&time, Step::ok());
    let cx = Cx::new().with_deadline(start);
    if let Some(call) = optional(timeout.call(cx, &op))? {
        expect_elapsed("after the deadline", &Flight::new(call).poll())?;
        same("runs begun after the deadline", &op.started(), &0)?;
    }
    Ok(())
}

pub(super) fn bad_settings(stand: &Timeouts) -> Checked {
    super::refuses_all(stand, [("a time of zero", Duration::ZERO, 1)])?;
    let (timeout, time) = stand.make(&Duration::MAX)?;
    let op = Op::new(&time, Step::ok().after(SECOND));
    let mut flight = Flight::new(timeout.call(Cx::new(), &op)?);
    flight
        .drive(&time)
        .expect_value("a call in the longest time there is", 1)
}
