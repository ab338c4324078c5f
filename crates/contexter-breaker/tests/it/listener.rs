//! Functions that are called with every transition.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_breaker::{Breaker, Config, Transition, Window};
use contexter_service::{BreakerState, ManualClock, Sample};

use crate::{breaker, record, trip};

type Seen = Arc<Mutex<Vec<Transition>>>;

fn listened(config: Config) -> (Breaker<ManualClock>, ManualClock, Seen) {
    let (breaker, clock) = breaker(config);
    let seen = Seen::default();
    let keep = Arc::clone(&seen);
    let breaker = breaker.on_transition(move |&transition| keep.lock().unwrap().push(transition));
    (breaker, clock, seen)
}

#[test]
fn all_listeners_hear_of_a_transition_also_after_one_that_panics() {
    let (breaker, _clock) = breaker(Config::new());
    let heard = Arc::new(AtomicU32::new(0));
    let hear = || {
        let heard = Arc::clone(&heard);
        move |_: &Transition| {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    };
    let breaker = breaker
        .on_transition(hear())
        .on_transition(|_| panic!("in a listener"))
        .on_transition(hear());
    trip(&breaker);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(heard.load(Ordering::Relaxed), 2);
}

#[test]
fn a_listener_may_change_the_breaker_and_is_told_of_that_afterwards() {
    let (breaker, _clock, seen) = listened(Config::new());
    let handle = Mutex::new(Some(breaker.clone()));
    let breaker = breaker.on_transition(move |_| {
        // Once: it closes what has just opened, reads everything, and lets the handle go.
        if let Some(handle) = handle.lock().unwrap().take() {
            assert_eq!(handle.state(), BreakerState::Open);
            handle.force_close();
            handle.release();
            let _ = handle.snapshot();
            let _ = handle.reconfigure(handle.config());
        }
    });
    trip(&breaker);
    let to: Vec<_> = seen.lock().unwrap().iter().map(|seen| seen.to).collect();
    assert_eq!(to, [BreakerState::Open, BreakerState::Closed]);
    record(&breaker, Sample::Success);
}

#[test]
fn listeners_and_subscribers_of_eight_threads_see_one_walk() {
    for window in [None, Some(Window::Calls(4))] {
        let mut config = Config::new()
            .failure_threshold(2)
            .recovery_timeout(Duration::from_nanos(1));
        config.window = window;
        let (breaker, clock, seen) = listened(config);
        let mut subscription = breaker.subscribe();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (breaker, clock, start) = (&breaker, &clock, &start);
                scope.spawn(move || {
                    start.wait();
                    // Also where the threads happen to run one after the other, each makes
                    // transitions: two failures in a row open the breaker. A round makes two of
                    // them at most, so that no more than 1,024 wait for a listener whose thread
                    // happens to rest.
                    for round in 0..64 {
                        clock.advance(Duration::from_nanos(1));
                        match breaker.try_acquire() {
                            Ok(permit) if (thread + round) % 5 < 2 => {
                                permit.record(Sample::Failure);
                            }
                            Ok(permit) => permit.record(Sample::Success),
                            Err(_) if (thread + round) % 11 == 0 => {
                                breaker.trip_for(Duration::ZERO);
                            }
                            Err(_) => {}
                        }
                    }
                });
            }
        });
        let seen = seen.lock().unwrap();
        assert!(seen.len() > 3, "the threads make transitions");
        let mut state = BreakerState::Closed;
        for (transition, number) in seen.iter().zip(1..) {
            assert_eq!(transition.number, number, "none lost and none twice");
            assert_eq!(transition.from, state, "in order");
            assert_ne!(
                (transition.from, transition.to),
                (BreakerState::Closed, BreakerState::HalfOpen)
            );
            assert_ne!(
                (transition.from, transition.to),
                (BreakerState::Open, BreakerState::Closed)
            );
            state = transition.to;
        }
        assert_eq!(breaker.state(), state);
        assert_eq!(subscription.state(), state);
        let mut last = None;
        while let std::task::Poll::Ready(Some(transition)) =
            subscription.poll_changed(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        {
            last = Some(transition);
        }
        assert_eq!(last, seen.last().copied());
    }
}
