//! What calls through a bulkhead do to it, on all of its faces.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use contexter_limit::{Bulkhead, BulkheadConfig, Error};
use contexter_service::{
    Again, Clock, Cx, Full, Limited, ManualClock, Policy, Sample, Timer, Verdict,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::faces::{FACES, Face, Failure, Outcome};

type Limit = Bulkhead<ManualClock>;

const FULL: Outcome = Err(Failure::Full(Full { limit: 1 }));

fn on_all_faces(queue: usize, rule: impl Fn(Face, &ManualClock, &Limit)) {
    for face in FACES {
        let clock = ManualClock::new();
        let config = BulkheadConfig::new().max_concurrent(1).max_queue(queue);
        let bulkhead = Bulkhead::with_clock(config, clock.clone()).unwrap();
        rule(face, &clock, &bulkhead);
    }
}

#[test]
fn a_refused_call_begins_nothing() {
    on_all_faces(0, |face, clock, bulkhead| {
        let permit = bulkhead.try_acquire().unwrap();
        let refused = face.bulkhead(bulkhead, &|| unreachable!());
        assert_eq!(clock.run_until_stalled(refused), Some(FULL), "{face:?}");
        drop(permit);
        let out = face.bulkhead(bulkhead, &|| Box::pin(ready(Ok(1))));
        assert_eq!(clock.run_until_stalled(out), Some(Ok(1)), "{face:?}");
        assert_eq!(bulkhead.running(), 0, "{face:?}");
    });
}

#[test]
fn a_call_waits_for_a_place_until_it_has_been_too_long() {
    on_all_faces(1, |face, clock, bulkhead| {
        let permit = bulkhead.try_acquire().unwrap();
        let start = clock.now();
        let refused = face.bulkhead(bulkhead, &|| unreachable!());
        assert_eq!(clock.run_until_stalled(refused), Some(FULL), "{face:?}");
        assert_eq!(clock.now() - start, Duration::from_secs(5), "{face:?}");
        let mut call = face.bulkhead(bulkhead, &|| Box::pin(ready(Ok(1))));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending(), "{face:?}");
        drop(permit);
        assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(1)), "{face:?}");
    });
}

/// Looks, when dropped, whether the place is still taken.
struct Watch<'a> {
    bulkhead: &'a Limit,
    was_taken: &'a AtomicBool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let taken = self.bulkhead.running() == 1;
        self.was_taken.store(taken, Ordering::Relaxed);
    }
}

#[test]
fn the_operation_is_over_before_its_place_is_free() {
    on_all_faces(0, |face, _clock, bulkhead| {
        let mut cx = Context::from_waker(Waker::noop());
        for ends in [false, true] {
            let was_taken = AtomicBool::new(false);
            let op = || {
                let watch = Watch {
                    bulkhead,
                    was_taken: &was_taken,
                };
                Box::pin(async move {
                    let _watch = watch;
                    if !ends {
                        pending::<()>().await;
                    }
                    Outcome::Ok(1)
                }) as futures_util::future::BoxFuture<'_, Outcome>
            };
            let mut call = face.bulkhead(bulkhead, &op);
            assert_eq!(call.as_mut().poll(&mut cx).is_ready(), ends, "{face:?}");
            drop(call);
            assert!(was_taken.load(Ordering::Relaxed), "{face:?}");
            assert_eq!(bulkhead.running(), 0, "{face:?}");
        }
    });
}

#[test]
fn an_operation_that_panics_frees_its_place() {
    on_all_faces(0, |face, clock, bulkhead| {
        let panics = || {
            let call = face.bulkhead(bulkhead, &|| Box::pin(async { panic!("a defect") }));
            clock.run_until_stalled(call)
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(bulkhead.running(), 0, "{face:?}");
        let out = face.bulkhead(bulkhead, &|| Box::pin(ready(Ok(1))));
        assert_eq!(clock.run_until_stalled(out), Some(Ok(1)), "{face:?}");
    });
}

#[test]
fn all_services_of_a_layer_share_one_bulkhead() {
    let clock = ManualClock::new();
    let config = BulkheadConfig::new().max_concurrent(1).max_queue(0);
    let layer = Bulkhead::with_clock(config, clock.clone()).unwrap();
    let service = || service_fn(|()| ready(Outcome::Ok(1)));
    let first = ServiceBuilder::new()
        .layer(layer.clone())
        .service(service());
    let second = ServiceBuilder::new().layer(&layer).service(service());
    let permit = layer.try_acquire().unwrap();
    assert_eq!(
        clock.run_until_stalled(first.clone().oneshot(())),
        Some(FULL)
    );
    assert_eq!(
        clock.run_until_stalled(second.clone().oneshot(())),
        Some(FULL)
    );
    drop(permit);
    assert_eq!(clock.run_until_stalled(second.oneshot(())), Some(Ok(1)));
    assert_eq!(first.limit().snapshot().counter("full"), Some(2));
}

#[test]
fn a_retry_that_sleeps_holds_no_place() {
    let clock = ManualClock::new();
    let config = BulkheadConfig::new().max_concurrent(1).max_queue(0);
    let bulkhead = Bulkhead::with_clock(config, clock.clone()).unwrap();
    let retry = async {
        for attempt in 1..3 {
            let out: Outcome = bulkhead
                .run(Cx::new().with_attempt(attempt), |_cx| {
                    ready(Err(Failure::Down))
                })
                .await;
            assert_eq!(out, Err(Failure::Down));
            clock.sleep(Duration::from_secs(1)).await;
        }
    };
    let mut retry = Box::pin(retry);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(retry.as_mut().poll(&mut cx).is_pending());
    assert_eq!(bulkhead.running(), 0);
    assert!(bulkhead.try_acquire().is_ok());
    assert_eq!(clock.run_until_stalled(retry), Some(()));
}

#[test]
fn a_refusal_teaches_a_breaker_nothing_and_is_not_sent() {
    let full: Error<Limited, Full> = Error::Refused(Full { limit: 1 });
    let wait = Some(Duration::from_secs(1));
    let limited: Error<Full, Limited> = Error::Refused(Limited { retry_after: wait });
    let verdicts: [&dyn Verdict; 2] = [&full, &limited];
    for verdict in verdicts {
        assert_eq!(verdict.sample(), Sample::Neutral);
        assert_eq!(verdict.again(), Again::No);
        assert!(!verdict.sent());
        assert_eq!(verdict.trip(), None);
    }
    assert_eq!((full.refused(), limited.refused()), (None, wait));
    assert_eq!(full.to_string(), "too many concurrent calls: limit 1");
    assert!(full.is_refused() && full.into_inner().is_none());
    assert_eq!(limited.to_string(), "rate limit reached, try again in 1s");
}
