//! The rate limiter against models that remember every call.

use std::collections::VecDeque;
use std::time::Duration;

use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
use contexter_service::ManualClock;
use proptest::prelude::*;

/// What was admitted, and when.
#[derive(Debug, Default)]
struct Log(VecDeque<(Duration, u64)>);

impl Log {
    fn push(&mut self, now: Duration, weight: u32) {
        self.0.push_back((now, u64::from(weight)));
    }

    /// What the window of one period that ends now has seen.
    fn window(&mut self, now: Duration, period: Duration) -> u64 {
        while self.0.front().is_some_and(|&(at, _)| now >= at + period) {
            self.0.pop_front();
        }
        self.0.iter().map(|&(_, weight)| weight).sum()
    }
}

/// A bucket that is filled step by step, in exact fractions of one unit.
struct Bucket {
    burst: u128,
    /// How much time renews one unit.
    interval: u128,
    /// In units times `interval`.
    level: u128,
}

impl Bucket {
    fn pass(&mut self, time: Duration) {
        self.level = (self.level + time.as_nanos()).min(self.burst * self.interval);
    }

    fn take(&mut self, weight: u32) -> Result<(), Duration> {
        let cost = u128::from(weight) * self.interval;
        if let Some(rest) = self.level.checked_sub(cost) {
            self.level = rest;
            return Ok(());
        }
        let missing = u64::try_from(cost - self.level).unwrap();
        Err(Duration::from_nanos(missing))
    }
}

proptest! {
    #[test]
    fn no_window_sees_more_than_the_limit(
        limit in 1..200_u64,
        share in 1..=100_u64,
        period in 1..10_000_u64,
        calls in prop::collection::vec((0..5_000_u64, 0..40_u32), 1..200),
    ) {
        let burst = (limit * share / 100).max(1);
        let period = Duration::from_millis(period);
        let quota = Quota::new(limit, period).burst(burst);
        let clock = ManualClock::new();
        let config = RateLimitConfig::new().tokens(quota);
        let limiter = RateLimiter::with_clock(config, clock.clone()).unwrap();
        let (mut now, mut log) = (Duration::ZERO, Log::default());
        for (pause, weight) in calls {
            let pause = Duration::from_millis(pause);
            now += pause;
            clock.advance(pause);
            if limiter.try_acquire(weight).is_ok() {
                log.push(now, weight);
            }
            let seen = log.window(now, period);
            prop_assert!(seen <= limit, "{seen} of {limit}");
        }
    }

    #[test]
    fn it_admits_what_a_bucket_would_and_says_when(
        burst in 1..50_u64,
        interval in 1..1_000_000_u64,
        calls in prop::collection::vec((0..20_000_000_u64, 0..60_u32), 1..200),
    ) {
        // One more than the burst, so that exactly one is renewed in a period.
        let quota = Quota::new(burst + 1, Duration::from_nanos(interval)).burst(burst);
        let clock = ManualClock::new();
        let config = RateLimitConfig::new().tokens(quota);
        let limiter = RateLimiter::with_clock(config, clock.clone()).unwrap();
        let mut model = Bucket {
            burst: burst.into(),
            interval: interval.into(),
            level: u128::from(burst) * u128::from(interval),
        };
        for (pause, weight) in calls {
            let pause = Duration::from_nanos(pause);
            model.pass(pause);
            clock.advance(pause);
            let out = limiter.try_acquire(weight);
            if u64::from(weight) > burst {
                prop_assert_eq!(out.unwrap_err().retry_after, None);
                continue;
            }
            let expected = model.take(weight);
            prop_assert_eq!(out.map_err(|limited| limited.retry_after.unwrap()), expected);
        }
    }
}
