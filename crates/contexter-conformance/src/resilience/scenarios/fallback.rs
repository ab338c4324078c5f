//! Another operation where the first has failed.

use crate::resilience::Time;
use crate::resilience::flight::once;
use crate::resilience::op::Op;
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::around::{FallbackSubject, Recovery};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

type Fallbacks = Stand<Recovery, dyn FallbackSubject>;

/// Makes a subject that falls back to an operation that goes like `steps`.
fn falling_back(
    stand: &Fallbacks,
    steps: impl IntoIterator<Item = Step>,
) -> Checked<(Box<dyn FallbackSubject>, Time, Recovery)> {
    let time = Time::new();
    let recovery = Recovery::new(Op::steps(&time, steps));
    let subject = stand.build(&recovery, &time)?;
    Ok((subject, time, recovery))
}

pub(super) fn sees_the_error(stand: &Fallbacks) -> Checked {
    let (subject, time, recovery) = falling_back(stand, [Step::ok()])?;
    let op = Op::steps(&time, [Step::ok(), Step::fail()]);
    once(subject.call(&op)).expect_value("a call that succeeds", 1)?;
    same("fallbacks of a call that succeeds", &recovery.started(), &0)?;
    once(subject.call(&op)).expect_value("a call that falls back", 1)?;
    same(
        "the errors that the fallback saw",
        &recovery.seen(),
        &vec![Some(2)],
    )?;

    let (subject, time, recovery) = falling_back(stand, [Step::fail()])?;
    let op = Op::steps(&time, [Step::ok(), Step::fail()]);
    drop(once(subject.call(&op)));
    let seen = once(subject.call(&op));
    let number = |failure: &Failure| failure.op().map(|fault| fault.number);
    let both = match seen.failure() {
        Some(Failure::Both(both)) => (number(&both.original), number(&both.fallback)),
        _ => (None, None),
    };
    check(both == (Some(2), Some(1)), || {
        format!("a call and its fallback that both fail: expected both errors, saw {seen}")
    })?;
    same("fallbacks of one failing call", &recovery.started(), &1)
}
