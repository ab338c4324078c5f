//! The rate limiter. The clock stands still.

use std::sync::Arc;
use std::time::Duration;

use contexter_service::{Limited, ManualClock};
use loom::thread;

use crate::rate::{Reservation, Shared};
use crate::{Quota, RateLimitConfig, Takes};

fn limiter(config: &RateLimitConfig) -> Arc<Shared<ManualClock>> {
    Arc::new(Shared::new(config, ManualClock::new()).unwrap())
}

#[test]
fn two_threads_never_overdraw_a_quota() {
    loom::model(|| {
        let quota = Quota::per_minute(100).burst(3);
        let limiter = limiter(&RateLimitConfig::new().tokens(quota));
        let other = Arc::clone(&limiter);
        let theirs = thread::spawn(move || other.try_acquire(2).is_ok());
        let ours = limiter.try_acquire(2).is_ok();
        assert!(ours ^ theirs.join().unwrap());
        assert_eq!(limiter.available("tokens"), Some(1));
    });
}

#[test]
fn what_a_refused_call_took_of_one_quota_is_given_back_exactly() {
    loom::model(|| {
        let config = RateLimitConfig::new()
            .requests(Quota::per_minute(100).burst(3))
            .tokens(Quota::per_minute(100).burst(3));
        let limiter = limiter(&config);
        let other = Arc::clone(&limiter);
        // Both pass the first quota; only one can pass the second one.
        let theirs = thread::spawn(move || other.try_acquire(2).is_ok());
        let ours = limiter.try_acquire(2).is_ok();
        assert!(ours ^ theirs.join().unwrap());
        assert_eq!(limiter.available("requests"), Some(2));
        assert_eq!(limiter.available("tokens"), Some(1));
    });
}

#[test]
fn a_wait_that_is_given_up_beside_a_call_takes_nothing() {
    loom::model(|| {
        let quota = Quota::per_minute(100).burst(2);
        let config = RateLimitConfig::new().quota("pages", quota.takes(Takes::Weight));
        let limiter = limiter(&config);
        let other = Arc::clone(&limiter);
        let theirs = thread::spawn(move || {
            let rules = other.rules();
            let mut reserved = Reservation::default();
            other
                .reserve(&rules, 1, 0, u64::MAX / 2, &mut reserved)
                .unwrap();
            other.give_back(&reserved);
        });
        assert_eq!(limiter.try_acquire(1), Ok(()));
        theirs.join().unwrap();
        assert_eq!(limiter.available("pages"), Some(1));
    });
}

#[test]
fn a_pause_is_seen_whole_or_not_at_all() {
    loom::model(|| {
        let quota = Quota::per_minute(61).burst(1);
        let limiter = limiter(&RateLimitConfig::new().requests(quota));
        let pause = Duration::from_secs(9);
        let other = Arc::clone(&limiter);
        let theirs = thread::spawn(move || other.pause_for(pause));
        let refused = |wait| {
            Err(Limited {
                retry_after: Some(wait),
            })
        };
        let ours = limiter.try_acquire(1);
        theirs.join().unwrap();
        // A call that saw half of the pause would find itself in the past or in the future.
        let after = if ours.is_ok() {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        };
        assert!(ours.is_ok() || ours == refused(pause), "{ours:?}");
        assert_eq!(limiter.try_acquire(1), refused(pause + after));
    });
}

#[test]
fn new_settings_are_read_whole() {
    loom::model(|| {
        let slow = RateLimitConfig::new().requests(Quota::per_minute(2));
        let fast = RateLimitConfig::new().requests(Quota::per_second(101).burst(1));
        let limiter = limiter(&slow);
        let other = Arc::clone(&limiter);
        let theirs = thread::spawn(move || other.reconfigure(&fast).unwrap());
        let rules = limiter.rules();
        theirs.join().unwrap();
        let [rule, ..] = rules.quotas;
        let paces =
            [Quota::per_minute(2), Quota::per_second(101).burst(1)].map(|quota| quota.pace());
        assert!(paces.contains(&rule.pace), "{rule:?}");
    });
}
