//! The rules of hedges.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use contexter_conformance::resilience::{
    Call, Failure, HedgeSettings, HedgeSubject, Op, Reply, Running, Time, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Cx, Timer};

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    BeginsTwoAtOnce,
    NeverBeginsASecond,
    KeepsLosers,
    FirstErrorEndsIt,
    ErrorBeginsNothing,
    UsedUpBudgetEndsIt,
    IgnoresTheBudget,
    HedgesAnything,
    CallsUnready,
    Allocates,
}

#[derive(Clone)]
struct Naive {
    settings: HedgeSettings,
    tokens: Arc<AtomicI64>,
    time: Time,
    flaw: Flaw,
}

impl Naive {
    fn new(settings: &HedgeSettings, time: &Time, flaw: Flaw) -> Self {
        let reserve = settings
            .budget
            .map_or(i64::MAX, |budget| i64::from(budget.reserve));
        Self {
            settings: *settings,
            tokens: Arc::new(AtomicI64::new(reserve)),
            time: time.clone(),
            flaw,
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn begin(&self, op: &Op, cx: Cx) -> Running {
        let mut instance = op.instance();
        if !self.is(Flaw::CallsUnready) {
            assert!(
                instance.ready().is_ok(),
                "no scenario of hedges scripts otherwise"
            );
        }
        instance.begin(cx)
    }

    async fn run(self, cx: Cx, op: Op) -> Reply {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        let most = match self.settings.max_attempts {
            _ if self.is(Flaw::NeverBeginsASecond) => 1,
            _ if !cx.is_idempotent() && !self.is(Flaw::HedgesAnything) => 1,
            most => most,
        };
        let mut begun = 1;
        let mut lanes: [Option<Running>; 4] = [Some(self.begin(&op, cx)), None, None, None];

        let first = if self.is(Flaw::BeginsTwoAtOnce) {
            self.time.sleep(std::time::Duration::ZERO)
        } else {
            self.time.sleep(self.settings.delay)
        };
        let mut sleep = first;
        let mut wants_next = false;
        poll_fn(|task| {
            loop {
                let mut last_error = None;
                for lane in &mut lanes {
                    let Some(running) = lane else { continue };
                    match Pin::new(running).poll(task) {
                        Poll::Pending => {}
                        Poll::Ready(Ok(value)) => {
                            if self.is(Flaw::KeepsLosers) {
                                std::mem::forget(std::mem::take(&mut lanes));
                            } else {
                                lanes = [const { None }; 4];
                            }
                            return Poll::Ready(Ok(value));
                        }
                        Poll::Ready(Err(fault)) => {
                            *lane = None;
                            wants_next = fault.is_retryable() && !self.is(Flaw::ErrorBeginsNothing);
                            last_error = Some(Err(Failure::Op(fault)));
                        }
                    }
                }
                let all_failed = lanes.iter().all(Option::is_none);
                let timed = Pin::new(&mut sleep).poll(task).is_ready();
                if begun < most && (wants_next || timed) {
                    wants_next = false;
                    let budgeted = self.tokens.fetch_sub(1, Ordering::SeqCst) > 0;
                    if budgeted || self.is(Flaw::IgnoresTheBudget) {
                        let next = self.begin(&op, cx.with_attempt(begun + 1));
                        if let Some(free) = lanes.iter_mut().find(|lane| lane.is_none()) {
                            *free = Some(next);
                        }
                        begun += 1;
                        sleep = self.time.sleep(self.settings.delay);
                        continue;
                    }
                    begun = most;
                    if self.is(Flaw::UsedUpBudgetEndsIt) {
                        return Poll::Ready(Err(contexter_service::Full { limit: 0 }.into()));
                    }
                }
                return match last_error {
                    Some(error) if all_failed || self.is(Flaw::FirstErrorEndsIt) => {
                        Poll::Ready(error)
                    }
                    _ => Poll::Pending,
                };
            }
        })
        .await
    }
}

impl HedgeSubject for Naive {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(Box::pin(self.clone().run(cx, op.clone())))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(Cx::new(), op.clone()))
    }

    fn readies(&self) -> bool {
        true
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.hedge("naive", move |settings, time| {
            Ok::<Box<dyn HedgeSubject>, Refusal>(Box::new(Naive::new(settings, time, flaw)))
        });
    });
}

#[test]
fn a_hedge_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_hedge_is_found() {
    breaks(Flaw::BeginsTwoAtOnce, &[46, 47, 48]);
    breaks(Flaw::NeverBeginsASecond, &[44, 47, 48, 49]);
    breaks(Flaw::KeepsLosers, &[47]);
    breaks(Flaw::FirstErrorEndsIt, &[48]);
    breaks(Flaw::ErrorBeginsNothing, &[44, 48]);
    breaks(Flaw::UsedUpBudgetEndsIt, &[49]);
    breaks(Flaw::IgnoresTheBudget, &[49]);
    breaks(Flaw::HedgesAnything, &[50]);
    breaks(Flaw::CallsUnready, &[44]);
    breaks(Flaw::Allocates, &[61]);
}
