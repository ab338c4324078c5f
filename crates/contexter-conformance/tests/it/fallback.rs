//! The rules of fallbacks.

use contexter_conformance::resilience::{
    Call, Failure, FallbackSubject, Op, Recovery, Reply, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Both, Cx, Full};

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    HidesTheError,
    ReplacesValues,
    ReturnsTheLastErrorOnly,
    ReturnsTheFirstErrorOnly,
    RunsTwice,
    Allocates,
}

struct Naive {
    recovery: Recovery,
    flaw: Flaw,
}

async fn run(recovery: Recovery, op: Op, flaw: Flaw) -> Reply {
    if flaw == Flaw::Allocates {
        heap::claim(0);
    }
    let original = match op.begin(Cx::new()).await {
        Ok(_) if flaw == Flaw::ReplacesValues => Full { limit: 0 }.into(),
        Ok(value) => return Ok(value),
        Err(_) if flaw == Flaw::HidesTheError => Full { limit: 0 }.into(),
        Err(fault) => Failure::Op(fault),
    };
    if flaw == Flaw::RunsTwice {
        drop(recovery.begin(&original).await);
    }
    let fallback = match recovery.begin(&original).await {
        Ok(value) => return Ok(value),
        Err(fault) => Failure::Op(fault),
    };
    Err(match flaw {
        Flaw::ReturnsTheLastErrorOnly => fallback,
        Flaw::ReturnsTheFirstErrorOnly => original,
        _ => Both { original, fallback }.into(),
    })
}

impl FallbackSubject for Naive {
    fn call(&self, op: &Op) -> Call {
        Box::pin(run(self.recovery.clone(), op.clone(), self.flaw))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(run(self.recovery.clone(), op.clone(), self.flaw))
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.fallback("naive", move |recovery, _time| {
            let recovery = recovery.clone();
            Ok::<Box<dyn FallbackSubject>, Refusal>(Box::new(Naive { recovery, flaw }))
        });
    });
}

#[test]
fn a_fallback_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_fallback_is_found() {
    breaks(Flaw::HidesTheError, &[58]);
    breaks(Flaw::ReplacesValues, &[58]);
    breaks(Flaw::ReturnsTheLastErrorOnly, &[58]);
    breaks(Flaw::ReturnsTheFirstErrorOnly, &[58]);
    breaks(Flaw::RunsTwice, &[58]);
    breaks(Flaw::Allocates, &[61]);
}
