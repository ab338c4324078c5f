//! What an open breaker refuses, and until when.

use std::time::Duration;

use contexter_breaker::Config;
use contexter_service::{BreakerState, Open, Sample};

use crate::{breaker, permit, record, trip};

#[test]
fn the_refusal_says_how_long_and_shrinks_as_time_passes() {
    let (breaker, clock) = breaker(Config::new());
    trip(&breaker);
    for left in [60, 45, 30, 15] {
        assert_eq!(
            breaker.try_acquire().unwrap_err(),
            Open {
                retry_after: Some(Duration::from_secs(left))
            }
        );
        clock.advance(Duration::from_secs(15));
    }
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn one_nanosecond_early_is_too_early_and_the_end_itself_is_not() {
    let (breaker, clock) = breaker(Config::new());
    trip(&breaker);
    clock.advance(Duration::new(59, 999_999_999));
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(Duration::from_nanos(1));
    record(&breaker, Sample::Neutral);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn late_results_change_nothing() {
    let (breaker, clock) = breaker(Config::new());
    let (late_success, late_failure) = (permit(&breaker), permit(&breaker));
    trip(&breaker);
    let counted = breaker.last_failure();
    clock.advance(Duration::from_secs(20));
    late_failure.record(Sample::Failure);
    late_success.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.last_failure(), counted);
    assert_eq!(breaker.snapshot().counter("opened"), Some(1));
    assert_eq!(
        breaker.try_acquire().unwrap_err().retry_after,
        Some(Duration::from_secs(40)),
        "the break is no longer"
    );
}

#[test]
fn a_break_longer_than_the_clock_never_ends() {
    let (breaker, clock) = breaker(Config::new().recovery_timeout(Duration::MAX));
    trip(&breaker);
    clock.advance(Duration::from_hours(24 * 365));
    assert!(breaker.try_acquire().is_err());
}
