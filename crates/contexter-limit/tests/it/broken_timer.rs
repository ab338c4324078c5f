//! What holds if the timer that is to end a wait panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use contexter_limit::{Bulkhead, BulkheadConfig, Quota, RateLimitConfig, RateLimiter};
use contexter_service::{Clock, Cx, Limited, ManualClock, Timer};

#[derive(Clone)]
struct Broken(ManualClock);

impl Clock for Broken {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl Timer for Broken {
    type Sleep = <ManualClock as Timer>::Sleep;

    #[expect(clippy::panic, reason = "it is broken")]
    fn sleep_until(&self, _deadline: Instant) -> Self::Sleep {
        panic!("no timer is enabled")
    }
}

/// Polls once, and keeps the future.
fn panics<F: Future>(wait: F) -> std::pin::Pin<Box<F>> {
    let mut wait = Box::pin(wait);
    let mut cx = Context::from_waker(Waker::noop());
    let poll = catch_unwind(AssertUnwindSafe(|| wait.as_mut().poll(&mut cx).is_ready()));
    assert!(poll.is_err());
    wait
}

#[test]
fn no_place_is_lost_in_the_queue_of_a_bulkhead() {
    let config = BulkheadConfig::new().max_concurrent(1).max_queue(1);
    let bulkhead = Bulkhead::with_clock(config, Broken(ManualClock::new())).unwrap();
    let held = bulkhead.try_acquire().unwrap();
    let wait = panics(bulkhead.acquire());
    assert_eq!(bulkhead.waiting(), 0);
    drop(held);
    assert!(bulkhead.try_acquire().is_ok());
    drop(wait);
}

#[test]
fn nothing_stays_reserved_of_a_quota() {
    let config = RateLimitConfig::new().requests(Quota::per_second(11).burst(1));
    let limiter = RateLimiter::with_clock(config, Broken(ManualClock::new())).unwrap();
    limiter.try_acquire(1).unwrap();
    let wait = panics(limiter.acquire(Cx::new()));
    let retry_after = Some(Duration::from_millis(100));
    assert_eq!(limiter.try_acquire(1), Err(Limited { retry_after }));
    drop(wait);
}
