//! Another operation where the first has failed.

use crate::Verdict;
use crate::resilience::Time;
use crate::resilience::flight::{Flight, Seen};
use crate::resilience::op::{Op, Step};
use crate::resilience::outcome::{Failure, Value};
use crate::resilience::subjects::around::{BothFailed, FallbackSubject, Recovery};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, same};

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

fn run(subject: &dyn FallbackSubject, time: &Time, op: &Op) -> Checked<Result<Value, BothFailed>> {
    match Flight::new(subject.call(op)).drive(time) {
        Seen::Ready(out) => Ok(out),
        Seen::Pending => Err(Verdict::Fail(
            "expected the call to end, it hung".to_owned(),
        )),
        Seen::Panicked => Err(Verdict::Fail("expected no panic, saw one".to_owned())),
    }
}

fn number(failure: Option<&Failure>) -> Option<usize> {
    failure.and_then(Failure::op).map(|fault| fault.number)
}

pub(super) fn sees_the_error(stand: &Fallbacks) -> Checked {
    let (subject, time, recovery) = falling_back(stand, [Step::ok()])?;
    let op = Op::steps(&time, [Step::ok(), Step::fail()]);
    let value = run(&*subject, &time, &op)?.map(|value| value.number);
    same("the value of a call that succeeds", &value.ok(), &Some(1))?;
    same("fallbacks of a call that succeeds", &recovery.started(), &0)?;
    let value = run(&*subject, &time, &op)?.map(|value| value.number);
    same("the value of the fallback", &value.ok(), &Some(1))?;
    same(
        "the errors that the fallback saw",
        &recovery.seen(),
        &vec![Some(2)],
    )?;

    let (subject, time, recovery) = falling_back(stand, [Step::fail()])?;
    let op = Op::steps(&time, [Step::ok(), Step::fail()]);
    drop(run(&*subject, &time, &op)?);
    let both = run(&*subject, &time, &op)?;
    let seen = both.as_ref().err().map(|both| {
        (
            number(both.original.as_ref()),
            number(both.fallback.as_ref()),
        )
    });
    same(
        "the errors of the call and of the fallback",
        &seen,
        &Some((Some(2), Some(1))),
    )?;
    same("fallbacks of one failing call", &recovery.started(), &1)
}
