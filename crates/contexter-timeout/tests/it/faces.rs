//! What holds however a timeout is put around an operation.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use contexter_service::{Clock, Cx, Elapsed, FromTower, ManualClock, Policy, Service};
use contexter_timeout::{Error, Timeout, TimeoutService};
use futures_util::future::BoxFuture;
use futures_util::task::noop_waker;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{LIMIT, Late};

type Outcome = Result<u32, Late>;
type Op<'a> = &'a (dyn Fn() -> BoxFuture<'a, Outcome> + Send + Sync);

/// The ways to put a timeout around an operation.
const FACES: [Face; 5] = [
    Face::Call,
    Face::Policy,
    Face::Service,
    Face::Tower,
    Face::TowerAndBack,
];

#[derive(Clone, Copy, Debug)]
enum Face {
    Call,
    Policy,
    Service,
    Tower,
    TowerAndBack,
}

struct Operating<'a>(Op<'a>);

impl Service<()> for Operating<'_> {
    type Response = u32;
    type Error = Late;

    async fn call(&self, (): ()) -> Outcome {
        (self.0)().await
    }
}

impl Face {
    fn run<'a>(self, timeout: &'a Timeout<ManualClock>, op: Op<'a>) -> BoxFuture<'a, Outcome> {
        let by_tower = move |()| op();
        match self {
            Self::Call => Box::pin(async move {
                timeout.call(op).await.map_err(|error| match error {
                    Error::Elapsed(elapsed) => elapsed.into(),
                    Error::Inner(late) => late,
                })
            }),
            Self::Policy => Box::pin(timeout.run(Cx::new(), move |_cx| op())),
            Self::Service => Box::pin(async move { timeout.service(Operating(op)).call(()).await }),
            Self::Tower => {
                let builder = ServiceBuilder::new().layer(timeout.clone());
                Box::pin(builder.service(service_fn(by_tower)).oneshot(()))
            }
            Self::TowerAndBack => Box::pin(async move {
                let service = timeout.service(FromTower::new(service_fn(by_tower)));
                service.call(()).await
            }),
        }
    }
}

/// Checks a rule on every face, each on a clock of its own.
fn on_all_faces(rule: impl Fn(Face, &ManualClock, &Timeout<ManualClock>)) {
    for face in FACES {
        let clock = ManualClock::new();
        let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
        rule(face, &clock, &timeout);
    }
}

#[test]
fn the_time_ends_at_the_limit_and_not_at_the_next_poll() {
    on_all_faces(|face, clock, timeout| {
        let start = clock.now();
        let out = clock.run_until_stalled(face.run(timeout, &|| Box::pin(pending())));
        assert_eq!(out, Some(Err(Late(LIMIT))), "{face:?}");
        assert_eq!(clock.now() - start, LIMIT, "{face:?}");
        assert_eq!(clock.sleepers(), 0, "{face:?}");
    });
}

#[test]
fn the_first_poll_counts_however_long_it_takes() {
    on_all_faces(|face, clock, timeout| {
        let start = clock.now();
        let slow_to_start: Op<'_> = &|| {
            clock.advance(Duration::from_secs(10));
            Box::pin(pending())
        };
        let out = clock.run_until_stalled(face.run(timeout, slow_to_start));
        assert_eq!(out, Some(Err(Late(LIMIT))), "{face:?}");
        assert_eq!(clock.now() - start, LIMIT, "{face:?}");

        let too_slow_to_start: Op<'_> = &|| {
            clock.advance(LIMIT * 2);
            Box::pin(pending())
        };
        let mut call = face.run(timeout, too_slow_to_start);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(
            call.as_mut().poll(&mut cx),
            Poll::Ready(Err(Late(LIMIT))),
            "{face:?}"
        );
    });
}

#[test]
fn an_operation_that_is_ready_at_once_registers_no_timer() {
    on_all_faces(|face, clock, timeout| {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut call = face.run(timeout, &|| Box::pin(ready(Ok(7))));
        assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(7)), "{face:?}");
        assert_eq!(clock.sleepers(), 0, "{face:?}");

        let mut call = face.run(timeout, &|| Box::pin(pending()));
        assert_eq!(clock.sleepers(), 0, "{face:?}");
        assert!(call.as_mut().poll(&mut cx).is_pending(), "{face:?}");
        assert_eq!(clock.sleepers(), 1, "{face:?}");
        drop(call);
        assert_eq!(clock.sleepers(), 0, "{face:?}");
    });
}

#[test]
fn ready_in_the_poll_in_which_the_time_is_over_is_in_time() {
    on_all_faces(|face, clock, timeout| {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let done = AtomicBool::new(false);
        let op: Op<'_> = &|| {
            Box::pin(std::future::poll_fn(|_| {
                if done.load(Ordering::Relaxed) {
                    Poll::Ready(Ok(1))
                } else {
                    Poll::Pending
                }
            }))
        };
        let mut call = face.run(timeout, op);
        assert!(call.as_mut().poll(&mut cx).is_pending());
        clock.advance(LIMIT);
        done.store(true, Ordering::Relaxed);
        assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(1)), "{face:?}");
        assert_eq!(timeout.snapshot().counter("elapsed"), Some(0), "{face:?}");
    });
}

struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_operation_is_dropped_before_the_error_is_returned() {
    on_all_faces(|face, clock, timeout| {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let dropped = AtomicBool::new(false);
        let op: Op<'_> = &|| {
            let flag = Flag(&dropped);
            Box::pin(async move {
                let _flag = flag;
                pending().await
            })
        };
        let mut call = face.run(timeout, op);
        assert!(call.as_mut().poll(&mut cx).is_pending());
        clock.advance(LIMIT);
        assert!(call.as_mut().poll(&mut cx).is_ready());
        assert!(dropped.load(Ordering::Relaxed), "{face:?} still exists");
    });
}

#[test]
fn an_operation_keeps_its_own_error() {
    on_all_faces(|face, clock, timeout| {
        let own = Late(Duration::from_nanos(1));
        let op: Op<'_> = &|| Box::pin(ready(Err(own)));
        let out = face.run(timeout, op);
        assert_eq!(clock.run_until_stalled(out), Some(Err(own)), "{face:?}");
    });
}

#[test]
fn a_new_limit_holds_for_the_calls_that_begin_after_it() {
    on_all_faces(|face, clock, timeout| {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut old = face.run(timeout, &|| Box::pin(pending()));
        assert!(old.as_mut().poll(&mut cx).is_pending());
        timeout.reconfigure(Duration::from_secs(1)).unwrap();
        let mut new = face.run(timeout, &|| Box::pin(pending()));
        assert!(new.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(old.as_mut().poll(&mut cx).is_pending(), "{face:?}");
        assert!(new.as_mut().poll(&mut cx).is_ready(), "{face:?}");
    });
}

/// Takes a second to become ready, and answers at once.
#[derive(Clone)]
struct SlowToReady<'a> {
    clock: &'a ManualClock,
    ready_at: std::time::Instant,
    calls: &'a AtomicU32,
}

impl tower::Service<()> for SlowToReady<'_> {
    type Response = u32;
    type Error = Late;
    type Future = std::future::Ready<Outcome>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Late>> {
        if self.clock.now() < self.ready_at {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.calls.fetch_add(1, Ordering::Relaxed)))
    }
}

#[test]
fn waiting_for_a_service_of_tower_to_become_ready_takes_of_the_time() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let calls = AtomicU32::new(0);
    for (takes, expected) in [(LIMIT / 2, Ok(0)), (LIMIT * 2, Err(Late(LIMIT)))] {
        let service = SlowToReady {
            clock: &clock,
            ready_at: clock.now() + takes,
            calls: &calls,
        };
        let mut service: TimeoutService<_, _> = timeout.service(service);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(tower::Service::poll_ready(&mut service, &mut cx).is_ready());
        let mut call = Box::pin(tower::Service::call(&mut service, ()));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        clock.advance(takes.min(LIMIT));
        assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(expected));
    }
    assert_eq!(
        calls.load(Ordering::Relaxed),
        1,
        "the late one was not called"
    );
}

#[test]
fn all_services_of_a_layer_and_their_clones_share_one_timeout() {
    let clock = ManualClock::new();
    let layer = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let silent = || service_fn(|()| pending::<Outcome>());
    let first = ServiceBuilder::new().layer(layer.clone()).service(silent());
    let second = ServiceBuilder::new().layer(&layer).service(silent());
    layer.reconfigure(Duration::from_secs(2)).unwrap();
    let late = Some(Err(Late(Duration::from_secs(2))));
    assert_eq!(clock.run_until_stalled(first.clone().oneshot(())), late);
    assert_eq!(clock.run_until_stalled(second.oneshot(())), late);
    assert_eq!(first.timeout().snapshot().counter("elapsed"), Some(2));
}

#[test]
fn a_timeout_is_as_good_as_new_until_it_is_shared_or_a_call_is_late() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    assert!(timeout.is_pristine());
    let clone = timeout.clone();
    assert!(!timeout.is_pristine());
    drop(clone);
    let call = timeout
        .service(service_fn(|()| pending::<Outcome>()))
        .oneshot(());
    assert!(!timeout.is_pristine(), "the call holds it");
    drop(call);
    assert!(timeout.is_pristine());
    let out = clock.run_until_stalled(timeout.call(pending::<Result<(), Elapsed>>));
    assert!(out.is_some_and(|out| out.is_err()));
    assert!(!timeout.is_pristine());
}
