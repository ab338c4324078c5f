//! Transitions as something to wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use contexter_breaker::{Breaker, Cause, Config, Subscription, Transition};
use contexter_service::{BreakerState, ManualClock, Sample};
use futures_util::FutureExt;

use crate::{BREAK, breaker, record, trip};

fn next(subscription: &mut Subscription) -> Option<Transition> {
    subscription.changed().now_or_never().flatten()
}

fn flip(breaker: &Breaker<ManualClock>) {
    breaker.isolate();
    breaker.release();
}

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_transition_comes_once_in_order_with_its_cause() {
    let (breaker, clock) = breaker(Config::new());
    let mut subscription = breaker.subscribe();
    trip(&breaker);
    clock.advance(BREAK);
    for _ in 0..3 {
        record(&breaker, Sample::Success);
    }
    let mut seen = Vec::new();
    while let Some(transition) = next(&mut subscription) {
        seen.push((transition.number, transition.to, transition.cause));
    }
    assert_eq!(
        seen,
        [
            (1, BreakerState::Open, Cause::FailuresInARow),
            (2, BreakerState::HalfOpen, Cause::BreakOver),
            (3, BreakerState::Closed, Cause::Probes),
        ]
    );
}

#[test]
fn the_latest_state_is_readable_at_any_time() {
    let (breaker, _clock) = breaker(Config::new());
    breaker.isolate();
    let subscription = breaker.subscribe();
    assert_eq!(subscription.state(), BreakerState::Open);
    breaker.release();
    assert_eq!(subscription.state(), BreakerState::Closed);
}

#[test]
fn only_what_happens_after_subscribing_is_told() {
    let (breaker, _clock) = breaker(Config::new());
    let mut early = breaker.subscribe();
    breaker.isolate();
    let mut late = breaker.subscribe();
    breaker.release();
    assert_eq!(next(&mut late).unwrap().number, 2);
    assert_eq!(next(&mut late), None);
    assert_eq!(next(&mut early).unwrap().number, 1);
    assert_eq!(next(&mut early).unwrap().number, 2);
}

#[test]
fn who_is_very_late_misses_the_oldest_and_can_tell() {
    let (breaker, _clock) = breaker(Config::new());
    let mut subscription = breaker.subscribe();
    for _ in 0..500 {
        flip(&breaker);
    }
    let numbers: Vec<_> = std::iter::from_fn(|| next(&mut subscription))
        .map(|transition| transition.number)
        .collect();
    assert_eq!(numbers, (969..=1000).collect::<Vec<_>>());
}

#[test]
fn a_transition_wakes_the_last_task_that_asked() {
    let (breaker, _clock) = breaker(Config::new());
    let mut subscription = breaker.subscribe();
    let (first, second) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    for woken in [&first, &second] {
        let waker = Waker::from(Arc::clone(woken));
        let polled = subscription.poll_changed(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
    }
    flip(&breaker);
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert_eq!(second.0.load(Ordering::Relaxed), 1, "once is enough");
    assert!(next(&mut subscription).is_some());
}

#[test]
fn a_dropped_subscription_leaves_no_waker_behind() {
    let (breaker, _clock) = breaker(Config::new());
    let woken = Arc::<Woken>::default();
    let mut subscription = breaker.subscribe();
    let waker = Waker::from(Arc::clone(&woken));
    assert!(
        subscription
            .poll_changed(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((subscription, waker));
    assert_eq!(Arc::strong_count(&woken), 1);
    flip(&breaker);
}

#[test]
fn a_waker_that_panics_takes_nothing_along() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let (breaker, _clock) = breaker(Config::new());
    let mut subscription = breaker.subscribe();
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        subscription
            .poll_changed(&mut Context::from_waker(&waker))
            .is_pending()
    );
    trip(&breaker);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(next(&mut subscription).is_some());
}

#[test]
fn it_ends_with_the_last_handle_after_the_last_transition() {
    let (breaker, _clock) = breaker(Config::new());
    let mut subscription = breaker.subscribe();
    breaker.isolate();
    let clone = breaker.clone();
    drop(breaker);
    assert!(next(&mut subscription).is_some());
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(subscription.poll_changed(&mut cx), Poll::Pending);
    drop(clone);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(subscription.poll_changed(&mut cx), Poll::Ready(None));
    assert_eq!(subscription.state(), BreakerState::Open);
}

#[tokio::test]
async fn a_task_can_wait_for_the_breaker_to_close() {
    let (breaker, clock) = breaker(Config::new().success_threshold(1));
    trip(&breaker);
    let mut subscription = breaker.subscribe();
    let closed = tokio::spawn(async move {
        while let Some(transition) = subscription.changed().await {
            if transition.to == BreakerState::Closed {
                return transition.number;
            }
        }
        0
    });
    tokio::task::yield_now().await;
    clock.advance(BREAK);
    record(&breaker, Sample::Success);
    assert_eq!(closed.await.unwrap(), 3);
}
