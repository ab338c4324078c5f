//! The right to make one call, and what its outcome teaches.

use std::future::Future;
use std::time::Instant;

use contexter_conformance::resilience::{Abandonment, Failure, Value};
use contexter_service::Clock;

use super::{Core, Flaw, Hand, Naive, Phase};

/// What an outcome teaches.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lesson {
    Success,
    Failure,
    Neutral,
    Dropped,
    Panicked,
}

pub(crate) struct Permit {
    pub(super) breaker: Naive,
    pub(super) generation: u64,
    pub(super) probe: bool,
    pub(super) since: Instant,
    pub(super) settled: bool,
}

impl Permit {
    pub(crate) fn settle(mut self, lesson: Lesson) {
        self.learn(lesson);
    }

    fn learn(&mut self, lesson: Lesson) {
        self.settled = true;
        let breaker = self.breaker.clone();
        let now = breaker.time.now();
        let mut core = breaker.core();
        self.learn_in(&breaker, &mut core, now, lesson);
        drop(core);
        breaker.tell();
    }

    fn learn_in(&self, breaker: &Naive, core: &mut Core, now: Instant, lesson: Lesson) {
        let is = |flaw| breaker.is(flaw);
        let half_open = matches!(core.phase, Phase::HalfOpen { .. });
        let stale = self.generation != core.generation
            && !(is(Flaw::StaleSuccessCounts) && lesson == Lesson::Success && half_open)
            && !(is(Flaw::StaleFailureCounts) && lesson == Lesson::Failure && half_open)
            && !(is(Flaw::StaleProbeCounts) && half_open && self.probe);
        if core.hand == Some(Hand::ForcedClosed) && !is(Flaw::ForcedClosedCounts) {
            return;
        }
        if stale {
            if let Phase::Open { since, until } = core.phase
                && is(Flaw::LateFailureExtendsTheBreak)
                && lesson == Lesson::Failure
            {
                let until = until + (now - since);
                core.phase = Phase::Open { since, until };
            }
            return;
        }
        let keeps_its_place = match lesson {
            Lesson::Dropped => is(Flaw::DroppedProbeKeepsItsPlace),
            Lesson::Panicked => is(Flaw::PanickedProbeKeepsItsPlace),
            Lesson::Neutral => is(Flaw::NeutralProbeKeepsItsPlace),
            _ => false,
        };
        if keeps_its_place && half_open {
            return;
        }
        if half_open {
            core.in_flight = core.in_flight.saturating_sub(1);
        }
        let counts = match core.settings.abandoned {
            _ if is(Flaw::DroppedTeachNothing) => false,
            _ if is(Flaw::DroppedAreFailures) => true,
            abandoned => abandoned == Abandonment::Failure,
        };
        let failed = match lesson {
            Lesson::Success => false,
            Lesson::Failure | Lesson::Panicked => true,
            Lesson::Dropped if counts => true,
            Lesson::Neutral if half_open && is(Flaw::NeutralProbeCloses) => false,
            Lesson::Neutral if !half_open && is(Flaw::NeutralIsFailure) => true,
            Lesson::Neutral if is(Flaw::NeutralEndsStreaks) => {
                core.streak = 0;
                return;
            }
            Lesson::Dropped | Lesson::Neutral => return,
        };
        if half_open {
            breaker.settle_probe(core, now, failed);
        } else {
            breaker.settle_closed(core, now, failed, now - self.since);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.learn(if std::thread::panicking() {
                Lesson::Panicked
            } else {
                Lesson::Dropped
            });
        }
    }
}

/// Runs an operation that `begin` begins, and learns from its outcome.
pub(crate) async fn guarded<F, E>(
    breaker: Naive,
    begin: impl FnOnce() -> F,
    refused: impl Fn(&E) -> bool,
) -> Result<Value, Failure>
where
    F: Future<Output = Result<Value, E>>,
    E: Into<Failure>,
{
    let permit = breaker.enter()?;
    let out = begin().await;
    permit.settle(match &out {
        Ok(_) => Lesson::Success,
        Err(error) if refused(error) => Lesson::Neutral,
        Err(_) => Lesson::Failure,
    });
    out.map_err(Into::into)
}
