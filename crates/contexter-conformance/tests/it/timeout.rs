//! The rules of timeouts.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use contexter_conformance::resilience::{
    Call, Failure, Op, Reply, Time, TimeoutSubject, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Clock, Cx, Elapsed, Timer, later};

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    FiresLate,
    NeverFires,
    KeepsTheOperation,
    TimeWinsTies,
    LeavesItsWait,
    IgnoresTheDeadline,
    TellsNoDeadline,
    BeginsAfterTheDeadline,
    TakesZero,
    Allocates,
}

#[derive(Clone)]
struct Naive {
    limit: Duration,
    time: Time,
    flaw: Flaw,
}

impl Naive {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    async fn run(self, cx: Cx, op: Op) -> Reply {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        let now = self.time.now();
        let left = cx
            .deadline()
            .filter(|_| !self.is(Flaw::IgnoresTheDeadline))
            .map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(now)
            });
        let limit = self.limit.min(left);
        let elapsed = Elapsed { after: limit };
        if limit.is_zero() && !self.is(Flaw::BeginsAfterTheDeadline) {
            return Err(elapsed.into());
        }
        let told = if self.is(Flaw::TellsNoDeadline) {
            Cx::new()
        } else {
            cx.with_deadline(later(now, limit))
        };
        let late = if self.is(Flaw::FiresLate) {
            Duration::from_micros(1)
        } else {
            Duration::ZERO
        };
        let mut running = Some(op.begin(told));
        let mut sleep = self.time.sleep_until(later(now, limit) + late);
        let out = poll_fn(|task| {
            let over = Pin::new(&mut sleep).poll(task).is_ready() && !self.is(Flaw::NeverFires);
            if over && self.is(Flaw::TimeWinsTies) {
                running = None;
                return Poll::Ready(Err(elapsed.into()));
            }
            let op = running.as_mut().expect("it is taken only at the end");
            if let Poll::Ready(out) = Pin::new(op).poll(task) {
                return Poll::Ready(out.map_err(Failure::Op));
            }
            if over {
                Poll::Ready(Err(elapsed.into()))
            } else {
                Poll::Pending
            }
        })
        .await;
        if self.is(Flaw::KeepsTheOperation) {
            std::mem::forget(running);
        }
        if self.is(Flaw::LeavesItsWait) {
            let mut left = Box::pin(self.time.sleep(Duration::from_secs(1)));
            let _pending = poll_fn(|task| Poll::Ready(left.as_mut().poll(task))).await;
            std::mem::forget(left);
        }
        out
    }
}

impl TimeoutSubject for Naive {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(Box::pin(self.clone().run(cx, op.clone())))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(Cx::new(), op.clone()))
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.timeout("naive", move |limit, time| {
            if limit.is_zero() && flaw != Flaw::TakesZero {
                return Err(Refusal::Invalid(vec!["zero".to_owned()]));
            }
            Ok(Box::new(Naive {
                limit: *limit,
                time: time.clone(),
                flaw,
            }))
        });
    });
}

#[test]
fn a_timeout_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_timeout_is_found() {
    breaks(Flaw::FiresLate, &[39, 57]);
    breaks(Flaw::NeverFires, &[39, 57]);
    breaks(Flaw::KeepsTheOperation, &[57]);
    breaks(Flaw::TimeWinsTies, &[57]);
    breaks(Flaw::LeavesItsWait, &[57]);
    breaks(Flaw::IgnoresTheDeadline, &[39]);
    breaks(Flaw::TellsNoDeadline, &[39]);
    breaks(Flaw::BeginsAfterTheDeadline, &[39]);
    breaks(Flaw::TakesZero, &[32]);
    breaks(Flaw::Allocates, &[61]);
}
