//! What holds however chaos is put in front of an operation.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_chaos::{Always, Chaos, Config, ErrWith};
use contexter_service::{Clock, Cx, FromTower, ManualClock, Policy, Service};
use futures_util::future::BoxFuture;
use tower::{ServiceBuilder, ServiceExt, service_fn};

pub(crate) type Outcome = Result<u32, &'static str>;
type Subject = Chaos<ErrWith<fn(Cx) -> &'static str>, Always, ManualClock>;

/// The ways to put chaos in front of an operation.
pub(crate) const FACES: [Face; 5] = [
    Face::Call,
    Face::Policy,
    Face::Service,
    Face::Tower,
    Face::TowerAndBack,
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Face {
    Call,
    Policy,
    Service,
    Tower,
    TowerAndBack,
}

/// Counts how often it is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(Arc<AtomicU32>);

impl Counting {
    fn answer(&self) -> std::future::Ready<Outcome> {
        ready(Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }

    pub(crate) fn calls(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Service<()> for Counting {
    type Response = u32;
    type Error = &'static str;

    async fn call(&self, (): ()) -> Outcome {
        self.answer().await
    }
}

impl Face {
    pub(crate) fn run(self, chaos: &Subject, far_side: &Counting) -> BoxFuture<'static, Outcome> {
        let (chaos, far_side) = (chaos.clone(), far_side.clone());
        let answering = far_side.clone();
        let by_tower = service_fn(move |()| answering.answer());
        match self {
            Self::Call => Box::pin(async move { chaos.call(|| far_side.answer()).await }),
            Self::Policy => {
                Box::pin(async move { chaos.run(Cx::new(), |_cx| far_side.answer()).await })
            }
            Self::Service => Box::pin(async move { chaos.service(far_side).call(()).await }),
            Self::Tower => {
                let service = ServiceBuilder::new().layer(chaos).service(by_tower);
                Box::pin(service.oneshot(()))
            }
            Self::TowerAndBack => {
                Box::pin(async move { chaos.service(FromTower::new(by_tower)).call(()).await })
            }
        }
    }
}

pub(crate) fn chaos(config: Config, clock: &ManualClock) -> Subject {
    let error: fn(Cx) -> &'static str = |_cx| "injected";
    Chaos::new(config, error).unwrap().with_timer(clock.clone())
}

/// Checks a rule on every face, each with a chaos of its own.
fn on_all_faces(config: Config, rule: impl Fn(Face, &ManualClock, &Subject, &Counting)) {
    for face in FACES {
        let clock = ManualClock::new();
        rule(face, &clock, &chaos(config, &clock), &Counting::default());
    }
}

#[test]
fn an_injected_error_is_the_caller_s_own_and_nothing_is_sent() {
    on_all_faces(
        Config::new().error_rate(1.0),
        |face, clock, chaos, far_side| {
            let out = clock.run_until_stalled(face.run(chaos, far_side));
            assert_eq!(out, Some(Err("injected")), "{face:?}");
            assert_eq!(far_side.calls(), 0, "{face:?}");
            assert_eq!(chaos.snapshot().counter("errors"), Some(1), "{face:?}");
        },
    );
}

#[test]
fn a_hang_waits_for_nothing_and_can_be_dropped() {
    on_all_faces(
        Config::new().hang_rate(1.0),
        |face, clock, chaos, far_side| {
            let out = clock.run_until_stalled(face.run(chaos, far_side));
            assert_eq!(out, None, "{face:?}");
            assert_eq!((far_side.calls(), clock.sleepers()), (0, 0), "{face:?}");
            assert_eq!(chaos.snapshot().counter("hangs"), Some(1), "{face:?}");
        },
    );
}

#[test]
fn a_hang_holds_nothing_of_the_operation() {
    let chaos = chaos(Config::new().hang_rate(1.0), &ManualClock::new());
    let held = Arc::new(());
    let holding = Arc::clone(&held);
    let mut call = Box::pin(chaos.call(move || {
        drop(holding);
        ready(Outcome::Ok(1))
    }));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(call.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_chaos_usable() {
    on_all_faces(
        Config::new().panic_rate(1.0),
        |face, clock, chaos, far_side| {
            let call = face.run(chaos, far_side);
            let out = catch_unwind(AssertUnwindSafe(|| clock.run_until_stalled(call)));
            let payload = out.unwrap_err();
            let message = payload.downcast_ref::<&str>().copied();
            assert_eq!(message, Some("a panic was injected by chaos"), "{face:?}");
            assert_eq!(far_side.calls(), 0, "{face:?}");
            assert_eq!(chaos.snapshot().counter("panics"), Some(1), "{face:?}");

            chaos.set_enabled(false);
            let out = clock.run_until_stalled(face.run(chaos, far_side));
            assert_eq!(out, Some(Ok(1)), "{face:?}");
        },
    );
}

#[test]
fn a_late_call_begins_within_the_bounds_and_keeps_its_outcome() {
    let (min, max) = (Duration::from_millis(20), Duration::from_millis(80));
    let config = Config::new().seed(3).latency(1.0, min, max);
    on_all_faces(config, |face, clock, chaos, far_side| {
        let mut latencies = Vec::new();
        for call in 1..=50 {
            let start = clock.now();
            let out = clock.run_until_stalled(face.run(chaos, far_side));
            assert_eq!(out, Some(Ok(call)), "{face:?}");
            latencies.push(clock.now() - start);
        }
        assert!(latencies.iter().all(|late| (min..=max).contains(late)));
        let middle = (min + max) / 2;
        for half in [min..middle, middle..max] {
            let count = latencies.iter().filter(|late| half.contains(late)).count();
            assert!(count > 10, "{face:?} {latencies:?}");
        }
        assert_eq!(chaos.snapshot().counter("latencies"), Some(50), "{face:?}");
    });
}

#[test]
fn latency_may_come_before_an_error() {
    let second = Duration::from_secs(1);
    let config = Config::new().error_rate(1.0).latency(1.0, second, second);
    on_all_faces(config, |face, clock, chaos, far_side| {
        let start = clock.now();
        let out = clock.run_until_stalled(face.run(chaos, far_side));
        assert_eq!(out, Some(Err("injected")), "{face:?}");
        assert_eq!(clock.now() - start, second, "{face:?}");
        assert_eq!(far_side.calls(), 0, "{face:?}");
    });
}

#[test]
fn a_call_that_is_dropped_while_it_is_late_is_not_begun() {
    let config = Config::new().latency(1.0, Duration::MAX, Duration::MAX);
    on_all_faces(config, |face, clock, chaos, far_side| {
        let mut call = face.run(chaos, far_side);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending(), "{face:?}");
        assert_eq!(clock.sleepers(), 1, "{face:?}");
        drop(call);
        assert_eq!((far_side.calls(), clock.sleepers()), (0, 0), "{face:?}");
    });
}

#[test]
fn the_switch_is_shared_and_an_unswitched_call_draws_nothing() {
    let config = Config::new().enabled(false).error_rate(1.0);
    on_all_faces(config, |face, clock, chaos, far_side| {
        let out = clock.run_until_stalled(face.run(chaos, far_side));
        assert_eq!(out, Some(Ok(1)), "{face:?}");
        assert_eq!(chaos.snapshot().counter("calls"), Some(0), "{face:?}");
        chaos.clone().set_enabled(true);
        let out = clock.run_until_stalled(face.run(chaos, far_side));
        assert_eq!(out, Some(Err("injected")), "{face:?}");
        assert_eq!(chaos.snapshot().counter("calls"), Some(1), "{face:?}");
    });
}

#[test]
fn one_call_can_be_spared_by_its_context_its_caller_or_its_request() {
    let clock = ManualClock::new();
    let chaos = chaos(Config::new().error_rate(1.0), &clock);
    let far_side = Counting::default();

    let first = chaos.clone().when(|cx| cx.attempt() == 1);
    for (attempt, spared) in [(1, false), (2, true), (3, true)] {
        let cx = Cx::new().with_attempt(attempt);
        let out = clock.run_until_stalled(first.run(cx, |_cx| far_side.answer()));
        assert_eq!(out.unwrap().is_ok(), spared, "attempt {attempt}");
    }
    for may in [true, false] {
        let call = chaos.call_when(may, || far_side.answer());
        assert_eq!(clock.run_until_stalled(call).unwrap().is_ok(), !may);
    }
    let echo = service_fn(|req: u32| ready(Outcome::Ok(req)));
    let even = |req: &u32| req.is_multiple_of(2);
    let ours = chaos.service(FromTower::new(echo)).when(even);
    let towers = chaos.service(echo).when(even);
    for req in 0..4 {
        let expected = if even(&req) { Err("injected") } else { Ok(req) };
        assert_eq!(clock.run_until_stalled(ours.call(req)), Some(expected));
        let out = clock.run_until_stalled(towers.clone().oneshot(req));
        assert_eq!(out, Some(expected));
    }
    // One attempt, one call and two requests on either side got as far as the rates.
    assert_eq!(chaos.snapshot().counter("calls"), Some(6));
}

#[test]
fn an_outcome_can_be_anything() {
    let clock = ManualClock::new();
    let config = Config::new().error_rate(1.0);
    let chaos = Chaos::with_outcome(config, |cx| cx.attempt() * 100)
        .unwrap()
        .with_timer(clock.clone());
    let cx = Cx::new().with_attempt(5);
    assert_eq!(
        clock.run_until_stalled(chaos.run(cx, |_cx| ready(1))),
        Some(500)
    );
}

#[test]
fn chaos_is_as_good_as_new_until_it_is_shared_or_used() {
    let clock = ManualClock::new();
    let chaos = chaos(Config::new(), &clock);
    assert!(chaos.is_pristine());
    let clone = chaos.clone();
    assert!(!chaos.is_pristine());
    drop(clone);
    assert!(chaos.is_pristine());
    let _ = clock.run_until_stalled(chaos.call(|| ready(Outcome::Ok(1))));
    assert!(!chaos.is_pristine());
}

#[test]
fn a_call_can_bring_its_context() {
    let clock = ManualClock::new();
    let config = Config::new().error_rate(1.0);
    let chaos = Chaos::with_outcome(config, |cx| cx.attempt() * 100)
        .unwrap()
        .with_timer(clock.clone())
        .when(|cx| cx.attempt() < 3);
    let call = |attempt| {
        let cx = Cx::new().with_attempt(attempt);
        clock.run_until_stalled(chaos.call_with(cx, |cx| ready(cx.attempt())))
    };
    assert_eq!((call(2), call(3)), (Some(200), Some(3)));
}
