//! The rules of mechanisms around one another.

use contexter_conformance::resilience::{
    BreakerSettings, BreakerSubject, BulkheadSettings, Call, Failure, Op, RateSettings, Reply,
    Shape, StackSubject, Time, Trip, Value,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{BreakerState, Cx, Sample, Timer, Verdict};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::assert_breaks;
use crate::naive_breaker::{self, guarded};
use crate::{bulkhead, rate_limit};

/// What is wrong with how they are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    RetriesARefusal,
    WaitsForTheBreaker,
    HoldsThePlaceWhileItWaits,
    RefusalIsFailure,
    LoserKeepsItsPlace,
    LoserIsFailure,
}

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Naive {
    shape: Shape,
    breaker: naive_breaker::Naive,
    bulkhead: bulkhead::Naive,
    rate: rate_limit::Naive,
    time: Time,
    flaw: Flaw,
}

impl Naive {
    fn new(shape: Shape, time: &Time, flaw: Flaw) -> Result<Self, Refusal> {
        let mut breaker = BreakerSettings::default();
        breaker.trip = Trip::Streak(2);
        breaker.break_for = Duration::from_mins(1);
        let mut places = BulkheadSettings::default();
        places.limit = if shape == Shape::HedgeBulkhead { 2 } else { 1 };
        let mut rate = RateSettings::default();
        rate.limit = 1;
        rate.period = Duration::from_hours(1);
        let dropped = if flaw == Flaw::LoserIsFailure {
            naive_breaker::Flaw::DroppedAreFailures
        } else {
            naive_breaker::Flaw::None
        };
        Ok(Self {
            shape,
            breaker: naive_breaker::Naive::new(&breaker, time, dropped)?,
            bulkhead: bulkhead::Naive::new(&places, time, bulkhead::Flaw::None)?,
            rate: rate_limit::Naive::new(&rate, time, rate_limit::Flaw::None)?,
            time: time.clone(),
            flaw,
        })
    }

    fn inner(&self, op: &Op, cx: Cx) -> Call {
        let (this, op) = (self.clone(), op.clone());
        Box::pin(async move {
            match this.shape {
                Shape::RetryBulkhead | Shape::HedgeBulkhead => {
                    let place = this.bulkhead.enter().await?;
                    let out = if this.flaw == Flaw::LoserKeepsItsPlace {
                        let place = std::mem::ManuallyDrop::new(place);
                        let out = op.begin(cx).await;
                        drop(std::mem::ManuallyDrop::into_inner(place));
                        out
                    } else {
                        op.begin(cx).await
                    };
                    Ok(out?)
                }
                _ => this.limited(op, cx).await,
            }
        })
    }

    /// A breaker around whatever else there is.
    async fn limited(self, op: Op, cx: Cx) -> Reply {
        let flaw = self.flaw;
        let (shape, places, rate) = (self.shape, self.bulkhead.clone(), self.rate.clone());
        let begin = || async move {
            let _place = match shape {
                Shape::BreakerBulkhead => Some(places.enter().await?),
                _ => None,
            };
            if shape == Shape::BreakerRateLimit {
                rate.admit()?;
            }
            Ok::<Value, Failure>(op.begin(cx).await?)
        };
        let neutral = |failure: &Failure| {
            failure.sample() == Sample::Neutral && flaw != Flaw::RefusalIsFailure
        };
        guarded(self.breaker.clone(), begin, neutral).await
    }

    async fn retried(self, op: Op) -> Reply {
        let places = self.bulkhead.clone();
        let held = match self.flaw {
            Flaw::HoldsThePlaceWhileItWaits if self.shape == Shape::RetryBulkhead => {
                Some(places.enter().await?)
            }
            _ => None,
        };
        let mut attempt = 1;
        loop {
            let cx = Cx::new().with_attempt(attempt);
            let out = match held {
                Some(_) => op.begin(cx).await.map_err(Failure::Op),
                None => self.inner(&op, cx).await,
            };
            let Err(failure) = &out else { return out };
            let refused = matches!(failure, Failure::Open(_));
            let again = match self.flaw {
                Flaw::RetriesARefusal => true,
                Flaw::WaitsForTheBreaker if refused => true,
                _ => matches!(failure, Failure::Op(fault) if fault.is_retryable()),
            };
            if !again || attempt == 3 {
                return out;
            }
            attempt += 1;
            self.time.sleep(SECOND).await;
        }
    }

    async fn hedged(self, op: Op) -> Reply {
        let mut lanes: Vec<Call> = vec![self.inner(&op, Cx::new())];
        let mut sleep = self.time.sleep(SECOND);
        poll_fn(|task| {
            loop {
                for lane in &mut lanes {
                    if let Poll::Ready(out) = lane.as_mut().poll(task) {
                        lanes.clear();
                        return Poll::Ready(out);
                    }
                }
                if lanes.len() == 2 || Pin::new(&mut sleep).poll(task).is_pending() {
                    return Poll::Pending;
                }
                lanes.push(self.inner(&op, Cx::new().with_attempt(2)));
            }
        })
        .await
    }
}

impl StackSubject for Naive {
    fn call(&self, op: &Op) -> Result<Call, Unsupported> {
        let (this, op) = (self.clone(), op.clone());
        Ok(match self.shape {
            Shape::RetryBreaker | Shape::RetryBulkhead => Box::pin(this.retried(op)),
            Shape::HedgeBreaker | Shape::HedgeBulkhead => Box::pin(this.hedged(op)),
            _ => self.inner(&op, Cx::new()),
        })
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        self.breaker.state()
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.stack("naive", move |shape, time| {
            Ok(Box::new(Naive::new(*shape, time, flaw)?))
        });
    });
}

#[test]
fn compositions_without_a_flaw_keep_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_composition_is_found() {
    breaks(Flaw::RetriesARefusal, &[40]);
    breaks(Flaw::WaitsForTheBreaker, &[40]);
    breaks(Flaw::HoldsThePlaceWhileItWaits, &[53]);
    breaks(Flaw::RefusalIsFailure, &[54]);
    breaks(Flaw::LoserKeepsItsPlace, &[47]);
    breaks(Flaw::LoserIsFailure, &[47]);
}
