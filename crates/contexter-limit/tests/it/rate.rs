//! The rate limiter.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contexter_limit::{Quota, RateLimitConfig, RateLimiter, Shape, Takes};
use contexter_service::{Clock, Cx, Limited, ManualClock};
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_mins(1);

fn limiter(config: RateLimitConfig) -> (RateLimiter<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    let limiter = RateLimiter::with_clock(config, clock.clone()).unwrap();
    (limiter, clock)
}

fn requests(quota: Quota) -> (RateLimiter<ManualClock>, ManualClock) {
    limiter(RateLimitConfig::new().requests(quota))
}

fn limited(retry_after: impl Into<Option<Duration>>) -> Limited {
    Limited {
        retry_after: retry_after.into(),
    }
}

#[test]
fn no_window_of_a_period_sees_more_than_the_limit() {
    for (limit, burst) in [
        (1, 1),
        (2, 1),
        (10, 1),
        (10, 5),
        (10, 9),
        (10, 10),
        (100, 10),
    ] {
        let (limiter, clock) = requests(Quota::per_minute(limit).burst(burst));
        let mut window = VecDeque::new();
        let mut admitted = 0;
        let step = Duration::from_millis(50);
        for tick in 0..6 * 60 * 20 {
            let now = step * tick;
            // In the third minute nobody calls, so that a burst comes in the middle of a window.
            while !(2400..3600).contains(&tick) && limiter.try_acquire(1).is_ok() {
                window.push_back(now);
                admitted += 1;
            }
            while window.front().is_some_and(|&at| now >= at + MINUTE) {
                window.pop_front();
            }
            assert!(window.len() as u64 <= limit, "{limit} {burst}: {window:?}");
            clock.advance(step);
        }
        assert!(admitted > limit, "{limit} {burst}: {admitted}");
    }
}

/// A clock that can be put back, as none should.
#[derive(Clone)]
struct Unsteady(Arc<Mutex<Instant>>);

impl Clock for Unsteady {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

#[test]
fn a_clock_that_jumps_backwards_grants_nothing() {
    let start = ManualClock::new().now() + Duration::from_hours(1);
    let clock = Unsteady(Arc::new(Mutex::new(start)));
    let config = RateLimitConfig::new().requests(Quota::per_second(11).burst(1));
    let limiter = RateLimiter::with_clock(config, clock.clone()).unwrap();
    let at = |seconds| *clock.0.lock().unwrap() = start + Duration::from_secs(seconds);
    at(10);
    limiter.try_acquire(1).unwrap();
    for seconds in [0, 9, 5, 10] {
        at(seconds);
        let wait = Duration::from_secs(10 - seconds) + Duration::from_millis(100);
        assert_eq!(limiter.try_acquire(1), Err(limited(wait)), "{seconds}");
    }
    *clock.0.lock().unwrap() = start.checked_sub(MINUTE).unwrap();
    assert!(limiter.try_acquire(1).is_err(), "before it was made");
    at(11);
    assert_eq!(limiter.try_acquire(1), Ok(()));
    assert!(limiter.try_acquire(1).is_err(), "once");
}

#[test]
fn a_refusal_says_exactly_when() {
    let (limiter, clock) = requests(Quota::per_minute(7).burst(1));
    assert_eq!(limiter.try_acquire(1), Ok(()));
    clock.advance(Duration::from_secs(3));
    let wait = Duration::from_secs(7);
    assert_eq!(limiter.try_acquire(1), Err(limited(wait)));
    clock.advance(Duration::from_nanos(6_999_999_999));
    assert_eq!(
        limiter.try_acquire(1),
        Err(limited(Duration::from_nanos(1)))
    );
    clock.advance(Duration::from_nanos(1));
    assert_eq!(limiter.try_acquire(1), Ok(()));
}

#[test]
fn a_call_heavier_than_the_burst_is_refused_for_good() {
    let config = RateLimitConfig::new().tokens(Quota::per_minute(1_000).burst(100));
    let (limiter, clock) = limiter(config);
    assert_eq!(limiter.try_acquire(101), Err(limited(None)));
    let heavy = limiter.acquire(Cx::new().with_weight(101));
    assert_eq!(heavy.now_or_never(), Some(Err(limited(None))));
    assert_eq!(limiter.try_acquire(100), Ok(()));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn quotas_are_taken_all_or_none() {
    let config = RateLimitConfig::new()
        .requests(Quota::per_minute(100).burst(10))
        .tokens(Quota::per_minute(1_000).burst(100))
        .quota(
            "pages",
            Quota::per_minute(100).burst(50).takes(Takes::Weight),
        );
    let (limiter, _clock) = limiter(config);
    assert_eq!(limiter.try_acquire(40), Ok(()));
    let left = |limiter: &RateLimiter<_>| {
        ["requests", "tokens", "pages"].map(|quota| limiter.available(quota).unwrap())
    };
    assert_eq!(left(&limiter), [9, 60, 10]);
    // There are tokens enough, and the pages decide: 1 of them each 1.2 s.
    assert_eq!(
        limiter.try_acquire(20),
        Err(limited(Duration::from_secs(12)))
    );
    assert_eq!(left(&limiter), [9, 60, 10]);
    assert_eq!(limiter.available("words"), None);
}

#[test]
fn a_bucket_holds_its_limit_and_is_filled_with_it() {
    let (limiter, clock) = requests(Quota::per_minute(60).shape(Shape::TokenBucket));
    assert_eq!(limiter.available("requests"), Some(60));
    for _ in 0..60 {
        assert_eq!(limiter.try_acquire(1), Ok(()));
    }
    assert_eq!(limiter.try_acquire(1), Err(limited(Duration::from_secs(1))));
    clock.advance(MINUTE);
    assert_eq!(limiter.available("requests"), Some(60));
}

#[test]
fn who_comes_first_goes_first() {
    let (limiter, clock) = requests(Quota::per_second(11).burst(1));
    limiter.try_acquire(1).unwrap();
    let mut first = Box::pin(limiter.acquire(Cx::new()));
    let mut second = Box::pin(limiter.acquire(Cx::new()));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_millis(100));
    // One place is free, and it is not the second one's, nor that of who did not wait.
    assert_eq!(
        limiter.try_acquire(1),
        Err(limited(Duration::from_millis(200)))
    );
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(first.as_mut().now_or_never(), Some(Ok(())));
    clock.advance(Duration::from_millis(100));
    assert_eq!(second.as_mut().now_or_never(), Some(Ok(())));
}

#[test]
fn a_dropped_wait_gives_back_what_nobody_waits_behind() {
    let (limiter, clock) = requests(Quota::per_second(11).burst(1));
    limiter.try_acquire(1).unwrap();
    let step = Duration::from_millis(100);
    let wait = || {
        let mut wait = Box::pin(limiter.acquire(Cx::new()));
        assert!(wait.as_mut().now_or_never().is_none());
        wait
    };
    let (first, second) = (wait(), wait());
    drop(second);
    assert_eq!(limiter.try_acquire(1), Err(limited(step * 2)));
    let mut second = wait();
    drop(first);
    assert_eq!(limiter.try_acquire(1), Err(limited(step * 3)), "promised");
    clock.advance(step * 2);
    assert_eq!(second.as_mut().now_or_never(), Some(Ok(())));
    assert_eq!(limiter.try_acquire(1), Err(limited(step)));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn what_time_has_renewed_is_not_given_back_a_second_time() {
    let (limiter, clock) = requests(Quota::per_second(12).burst(2));
    let step = Duration::from_millis(100);
    limiter.try_acquire(1).unwrap();
    limiter.try_acquire(1).unwrap();
    let mut wait = Box::pin(limiter.acquire(Cx::new()));
    assert!(wait.as_mut().now_or_never().is_none());
    clock.advance(step / 2 * 5);
    // It could have gone long ago, and has not noticed; somebody else goes, without a wait.
    limiter.try_acquire(1).unwrap();
    drop(wait);
    // The bucket was full when the other one went.
    limiter.try_acquire(1).unwrap();
    assert_eq!(limiter.try_acquire(1), Err(limited(step)));
}

#[test]
fn a_wait_that_would_be_too_long_is_refused_at_once() {
    let config = RateLimitConfig::new()
        .requests(Quota::per_second(11).burst(1))
        .max_wait(Duration::from_millis(250));
    let (limiter, clock) = limiter(config);
    limiter.try_acquire(1).unwrap();
    let now = clock.now();
    let cx = Cx::new().with_deadline(now + Duration::from_millis(99));
    let step = Duration::from_millis(100);
    assert_eq!(limiter.acquire(cx).now_or_never(), Some(Err(limited(step))));
    let waits: Vec<_> = (0..3)
        .map(|_| Box::pin(limiter.acquire(Cx::new())))
        .collect();
    let refused: Vec<_> = waits
        .into_iter()
        .map(|mut wait| (wait.as_mut().now_or_never(), wait))
        .collect();
    assert!(refused[0].0.is_none() && refused[1].0.is_none());
    assert_eq!(refused[2].0, Some(Err(limited(step * 3))));
    // An hour is not waited for either, without a reservation left behind.
    assert_eq!(limiter.snapshot().counter("limited"), Some(2));
}

#[test]
fn a_pause_stops_everybody_and_keeps_the_order() {
    let (limiter, clock) = requests(Quota::per_second(11).burst(1));
    limiter.try_acquire(1).unwrap();
    let mut waiting = Box::pin(limiter.acquire(Cx::new()));
    assert!(waiting.as_mut().now_or_never().is_none());
    limiter.pause_for(Duration::from_secs(2));
    assert_eq!(limiter.pause_left(), Duration::from_secs(2));
    limiter.pause_for(Duration::from_secs(1));
    assert_eq!(
        limiter.pause_left(),
        Duration::from_secs(2),
        "the longer one stays"
    );
    let after = |millis| Err(limited(Duration::from_millis(millis)));
    assert_eq!(limiter.try_acquire(1), after(2_200));
    clock.advance(Duration::from_millis(100));
    assert!(waiting.as_mut().now_or_never().is_none(), "paused");
    clock.advance(Duration::from_millis(1_900));
    assert!(
        waiting.as_mut().now_or_never().is_none(),
        "nothing was renewed"
    );
    assert_eq!(limiter.try_acquire(1), after(200));
    clock.advance(Duration::from_millis(100));
    assert_eq!(waiting.as_mut().now_or_never(), Some(Ok(())));
    assert_eq!(limiter.try_acquire(1), after(100));
    assert_eq!(limiter.snapshot().counter("paused"), Some(1));
}

#[test]
fn who_waits_gives_up_when_a_pause_makes_it_too_long() {
    let (limiter, clock) = requests(Quota::per_second(11).burst(1));
    limiter.try_acquire(1).unwrap();
    let mut waiting = Box::pin(limiter.acquire(Cx::new()));
    assert!(waiting.as_mut().now_or_never().is_none());
    limiter.pause_for(MINUTE);
    clock.advance(Duration::from_millis(100));
    let out = waiting.as_mut().now_or_never();
    assert_eq!(out, Some(Err(limited(MINUTE))));
    clock.advance(MINUTE);
    assert_eq!(limiter.try_acquire(1), Ok(()), "given back");
}

#[test]
fn a_pause_has_a_limit() {
    let config = RateLimitConfig::new()
        .requests(Quota::per_second(10))
        .max_pause(MINUTE);
    let (limiter, clock) = limiter(config);
    limiter.pause_for(Duration::MAX);
    assert_eq!(limiter.try_acquire(1), Err(limited(MINUTE)));
    clock.advance(MINUTE);
    assert_eq!(limiter.try_acquire(1), Ok(()));
}

#[test]
fn what_the_far_side_counts_only_makes_it_stricter() {
    let config = RateLimitConfig::new()
        .requests(Quota::per_minute(100).burst(40))
        .tokens(Quota::per_minute(1_000).burst(1_000));
    let (limiter, clock) = limiter(config);
    assert!(!limiter.correct("words", 0, MINUTE));
    assert!(limiter.correct("requests", 1_000, MINUTE));
    assert_eq!(limiter.available("requests"), Some(40));
    assert!(limiter.correct("requests", 5, MINUTE));
    let admitted_in_a_minute = || {
        let mut admitted = Vec::new();
        for second in 0..60 {
            while limiter.try_acquire(1).is_ok() {
                admitted.push(second);
            }
            clock.advance(Duration::from_secs(1));
        }
        admitted
    };
    assert_eq!(admitted_in_a_minute(), [0; 5], "at once, and then no more");
    clock.advance(MINUTE);
    // One is renewed each second: the last 5 come when the burst of 40 is gone.
    assert!(limiter.correct("requests", 45, MINUTE));
    assert!(limiter.correct("requests", 50, MINUTE));
    let admitted = admitted_in_a_minute();
    assert_eq!(
        admitted.len(),
        45 - 1,
        "and one in the moment of the renewal"
    );
    assert_eq!((&admitted[..40], admitted[40]), (&[0; 40][..], 56));
    clock.advance(MINUTE);

    assert!(limiter.correct("tokens", 0, Duration::from_secs(20)));
    assert_eq!(
        limiter.try_acquire(0),
        Err(limited(Duration::from_secs(20)))
    );
    assert_eq!(limiter.available("tokens"), Some(0));
    clock.advance(Duration::from_secs(20));
    assert_eq!(limiter.try_acquire(1), Ok(()));
}

#[test]
fn a_call_that_weighs_nothing_takes_no_weight() {
    let config = RateLimitConfig::new().tokens(Quota::per_minute(10).burst(1));
    let (limiter, _clock) = limiter(config);
    limiter.try_acquire(1).unwrap();
    assert_eq!(limiter.try_acquire(0), Ok(()));
    assert!(limiter.try_acquire(1).is_err());
}

#[test]
fn new_settings_keep_what_is_in_use() {
    let (limiter, clock) = requests(Quota::per_minute(100).burst(40));
    for _ in 0..30 {
        limiter.try_acquire(1).unwrap();
    }
    let mut waiting = Vec::new();
    let faster = RateLimitConfig::new()
        .requests(Quota::per_minute(1_000).burst(40))
        .tokens(Quota::per_minute(10).burst(10));
    limiter.reconfigure(faster.clone()).unwrap();
    assert_eq!(limiter.available("requests"), Some(10));
    assert_eq!(limiter.available("tokens"), Some(10));
    for _ in 0..10 {
        limiter.try_acquire(1).unwrap();
    }
    waiting.push(limiter.acquire(Cx::new()));
    assert!(limiter.reconfigure(RateLimitConfig::new()).is_err());
    assert_eq!(limiter.available("tokens"), Some(0), "the old ones stay");
    let mut without = faster;
    without.requests = None;
    limiter.clone().reconfigure(without).unwrap();
    assert_eq!(limiter.available("requests"), None);
    assert_eq!(limiter.available("tokens"), Some(0));
    clock.advance(MINUTE);
    assert_eq!(limiter.try_acquire(1), Ok(()));
}

#[test]
fn a_limiter_is_as_good_as_new_when_its_quotas_are_whole() {
    let (limiter, clock) = requests(Quota::per_minute(60).burst(6));
    assert!(limiter.is_pristine());
    limiter.try_acquire(1).unwrap();
    assert!(!limiter.is_pristine());
    clock.advance(Duration::from_mins(2));
    assert!(limiter.is_pristine());
    let clone = limiter.clone();
    assert!(!limiter.is_pristine());
    drop(clone);
    let wait = limiter.acquire(Cx::new());
    drop(wait);
    limiter.pause_for(Duration::from_secs(1));
    assert!(!limiter.is_pristine(), "it refuses everybody");
    assert!(limiter.try_acquire(1).is_err());
    clock.advance(Duration::from_secs(1));
    assert!(limiter.is_pristine(), "counts decide nothing");
    assert!(limiter.correct("requests", 50, Duration::from_mins(2)));
    assert!(!limiter.is_pristine(), "nothing is renewed");
    clock.advance(Duration::from_mins(2));
    assert!(limiter.is_pristine());
}

#[test]
fn extremes_neither_overflow_nor_wait_for_ever() {
    let year = Duration::from_hours(24 * 365);
    let (limiter, clock) = requests(Quota::new(1, year));
    limiter.try_acquire(1).unwrap();
    assert_eq!(limiter.try_acquire(1), Err(limited(year)));
    clock.advance(year);
    limiter.try_acquire(1).unwrap();

    let config = RateLimitConfig::new()
        .requests(Quota::per_second(1_000_000_000))
        .max_wait(Duration::MAX)
        .max_pause(Duration::MAX);
    let (limiter, clock) = self::limiter(config);
    for _ in 0..100_000 {
        limiter.try_acquire(1).unwrap();
    }
    limiter.pause_for(Duration::MAX);
    assert!(limiter.try_acquire(1).unwrap_err().retry_after > Some(year));
    limiter.pause_for(Duration::MAX);
    let mut waiting = Box::pin(limiter.acquire(Cx::new()));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    for _ in 0..5 {
        clock.advance(Duration::MAX);
        let _ = limiter.try_acquire(1);
    }
}
