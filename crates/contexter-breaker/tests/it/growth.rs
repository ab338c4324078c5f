//! How long breaks last, one after the other.

use std::time::Duration;

use contexter_breaker::{Breaker, Config};
use contexter_service::{BreakerState, Jitter, ManualClock, Sample};

use crate::{breaker, record};

const SECOND: Duration = Duration::from_secs(1);

fn growing() -> Config {
    Config::new()
        .failure_threshold(1)
        .success_threshold(1)
        .recovery_timeout(SECOND)
        .recovery_multiplier(2.0)
        .max_recovery_timeout(5 * SECOND)
}

/// Fails once, from closed or as a probe, and returns how long the break is.
fn next_break(breaker: &Breaker<ManualClock>) -> Duration {
    record(breaker, Sample::Failure);
    breaker.try_acquire().unwrap_err().retry_after.unwrap()
}

#[test]
fn breaks_grow_to_the_cap_and_start_over_after_a_closing() {
    let (breaker, clock) = breaker(growing());
    for _ in 0..2 {
        for seconds in [1, 2, 4, 5, 5] {
            assert_eq!(next_break(&breaker), seconds * SECOND);
            clock.advance(seconds * SECOND);
        }
        record(&breaker, Sample::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

#[test]
fn without_growth_every_break_is_as_long_to_the_nanosecond() {
    let odd = Duration::new(123_456_789, 123_456_789);
    let (breaker, clock) = breaker(
        growing()
            .recovery_multiplier(1.0)
            .recovery_timeout(odd)
            .max_recovery_timeout(odd),
    );
    for _ in 0..5 {
        assert_eq!(next_break(&breaker), odd);
        clock.advance(odd);
    }
}

#[test]
fn breaks_grow_tenfold_if_nobody_says_how_far() {
    let mut config = growing();
    config.max_recovery_timeout = None;
    let (breaker, clock) = breaker(config);
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        longest = next_break(&breaker);
        clock.advance(longest);
    }
    assert_eq!(longest, 10 * SECOND);
}

#[test]
fn jitter_stays_in_its_interval_and_below_the_cap() {
    for (jitter, share) in [(Jitter::Equal, 2), (Jitter::Full, u32::MAX)] {
        for _ in 0..50 {
            let (breaker, clock) = breaker(growing().recovery_jitter(jitter));
            for seconds in [1, 2, 4, 5, 5] {
                let longest = seconds * SECOND;
                record(&breaker, Sample::Failure);
                let length = breaker.try_acquire().map_or_else(
                    |open| open.retry_after.unwrap(),
                    |_drawn_zero| Duration::ZERO,
                );
                assert!(length <= longest && length >= longest / share, "{length:?}");
                clock.advance(length);
            }
        }
    }
}

#[test]
fn ten_thousand_openings_do_not_overflow() {
    let base = Duration::from_hours(24 * 365);
    for jitter in [Jitter::None, Jitter::Equal, Jitter::Decorrelated] {
        let config = growing()
            .recovery_timeout(base)
            .recovery_multiplier(1e9)
            .max_recovery_timeout(Duration::MAX)
            .recovery_jitter(jitter);
        let (breaker, _clock) = breaker(config);
        // By hand, because no clock reaches the end of such breaks.
        for _ in 0..10_000 {
            assert!(next_break(&breaker) > Duration::ZERO);
            breaker.force_close();
            breaker.release();
        }
    }
    let (breaker, clock) = breaker(growing());
    for reopened in 0..10_000 {
        let length = next_break(&breaker);
        assert!(
            (SECOND..=5 * SECOND).contains(&length),
            "{reopened}: {length:?}"
        );
        clock.advance(length);
    }
    assert_eq!(breaker.snapshot().counter("opened"), Some(10_000));
}

#[test]
fn new_settings_let_breaks_grow_on_unless_they_change_the_growth() {
    let (breaker, clock) = breaker(growing());
    for seconds in [1, 2] {
        assert_eq!(next_break(&breaker), seconds * SECOND);
        clock.advance(seconds * SECOND);
    }
    breaker.reconfigure(growing().max_trip(SECOND)).unwrap();
    assert_eq!(next_break(&breaker), 4 * SECOND);
    clock.advance(4 * SECOND);
    let other = growing().max_recovery_timeout(3 * SECOND);
    breaker.reconfigure(other).unwrap();
    assert_eq!(next_break(&breaker), SECOND);
}
