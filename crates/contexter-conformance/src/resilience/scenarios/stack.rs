//! Two mechanisms, one around the other.

use std::time::Duration;

use contexter_service::{BreakerState, Clock};

use crate::resilience::Time;
use crate::resilience::flight::{Flight, once};
use crate::resilience::op::Op;
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::around::{Shape, StackSubject};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

type Stacks = Stand<Shape, dyn StackSubject>;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn open_is_final(stand: &Stacks) -> Checked {
    let (stack, time) = stand.make(&Shape::RetryBreaker)?;
    let op = Op::new(&time, Step::fail());
    let seen = Flight::new(stack.call(&op)?).drive(&time);
    check(seen.failure().is_some(), || {
        format!("expected an error, saw {seen}")
    })?;
    same(
        "runs until the breaker opened at 2 failures",
        &op.started(),
        &2,
    )?;

    let start = time.now();
    let op = Op::new(&time, Step::ok());
    let seen = Flight::new(stack.call(&op)?).drive(&time);
    check(matches!(seen.failure(), Some(Failure::Open(_))), || {
        format!("a retry around an open breaker: expected its refusal, saw {seen}")
    })?;
    same("runs while open", &op.started(), &0)?;
    same(
        "time spent on an open breaker",
        &(time.now() - start),
        &Duration::ZERO,
    )
}

fn hedged(stack: &dyn StackSubject, time: &Time) -> Checked {
    let op = Op::steps(
        time,
        [Step::ok().after(10 * SECOND), Step::ok().after(SECOND)],
    );
    let seen = Flight::new(stack.call(&op)?).drive(time);
    seen.expect_value("a hedge that wins", 2)?;
    same("runs that go on", &op.running(), &0)
}

pub(super) fn losers_give_back(stand: &Stacks) -> Checked {
    let (stack, time) = stand.make(&Shape::HedgeBulkhead)?;
    for _ in 0..5 {
        hedged(&*stack, &time)?;
    }
    let op = Op::new(&time, Step::hang());
    let mut flights = [Flight::new(stack.call(&op)?), Flight::new(stack.call(&op)?)];
    for flight in &mut flights {
        drop(flight.poll());
    }
    same("runs in a bulkhead of 2 after 5 hedges", &op.running(), &2)?;

    let (stack, time) = stand.make(&Shape::HedgeBreaker)?;
    for _ in 0..5 {
        hedged(&*stack, &time)?;
    }
    // One failure of two that open it, unless a loser was taken for one.
    let seen = once(stack.call(&Op::new(&time, Step::fail().lasting()))?);
    seen.expect_fault("after 5 losers that teach the breaker nothing", 1)?;
    let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
    seen.expect_value(
        "after 5 losers that teach the breaker nothing, and a failure",
        1,
    )?;
    if let Ok(state) = stack.state() {
        same("the state after 5 losers", &state, &BreakerState::Closed)?;
    }
    Ok(())
}

pub(super) fn waiting_holds_no_place(stand: &Stacks) -> Checked {
    let (stack, time) = stand.make(&Shape::RetryBulkhead)?;
    let mut waiting = Flight::new(stack.call(&Op::new(&time, Step::fail()))?);
    let seen = waiting.poll();
    check(seen.is_pending(), || {
        format!("expected the retry to wait, saw {seen}")
    })?;
    let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
    seen.expect_value(
        "a call through a bulkhead of 1 while another waits to retry",
        1,
    )
}

pub(super) fn refusals_are_neutral(stand: &Stacks) -> Checked {
    let (stack, time) = stand.make(&Shape::BreakerBulkhead)?;
    let running = Op::new(&time, Step::hang());
    let mut flight = Flight::new(stack.call(&running)?);
    drop(flight.poll());
    for _ in 0..10 {
        let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
        check(matches!(seen.failure(), Some(Failure::Full(_))), || {
            format!("a bulkhead of 1 with a call in it: expected its refusal, saw {seen}")
        })?;
    }
    running.finish(0, Step::ok());
    flight.poll().expect_value("the call in the bulkhead", 1)?;
    let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
    seen.expect_value("after 10 refusals of the bulkhead", 1)?;

    let (stack, time) = stand.make(&Shape::BreakerRateLimit)?;
    let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
    seen.expect_value("the first call within the rate", 1)?;
    for _ in 0..10 {
        let seen = once(stack.call(&Op::new(&time, Step::ok()))?);
        check(matches!(seen.failure(), Some(Failure::Limited(_))), || {
            format!("a rate that is used up: expected its refusal, saw {seen}")
        })?;
    }
    if let Ok(state) = stack.state() {
        same("the state after 10 refusals", &state, &BreakerState::Closed)?;
    }
    Ok(())
}
