//! Control by hand, shared handles, and new settings at run time.

use std::time::Duration;

use contexter_breaker::Config;
use contexter_service::{BreakerState, ErrIsFailure, Open, Sample};

use crate::{BREAK, after_break, breaker, permit, record, trip};

#[test]
fn isolation_outlasts_any_wait_until_released() {
    let (breaker, clock) = breaker(Config::new());
    breaker.isolate();
    clock.advance(BREAK * 1000);
    assert_eq!(
        breaker.try_acquire().unwrap_err(),
        Open { retry_after: None }
    );
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.release();
    assert_eq!(breaker.state(), BreakerState::Closed);
    record(&breaker, Sample::Success);
}

#[test]
fn forced_closed_ignores_failures_until_released() {
    let (breaker, _clock) = breaker(Config::new());
    trip(&breaker);
    breaker.force_close();
    for _ in 0..100 {
        record(&breaker, Sample::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.release();
    for _ in 0..4 {
        record(&breaker, Sample::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "counts from zero");
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn release_does_not_end_an_ordinary_break() {
    let (breaker, _clock) = breaker(Config::new());
    trip(&breaker);
    breaker.release();
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn an_outcome_from_before_isolation_does_not_count_after_it() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(1));
    let stale = permit(&breaker);
    breaker.isolate();
    breaker.release();
    stale.record(Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn clones_share_one_state_whatever_they_classify_by() {
    let (breaker, _clock) = breaker(Config::new());
    let other = breaker.clone().classify_by(ErrIsFailure);
    trip(&breaker);
    assert_eq!(other.state(), BreakerState::Open);
    assert!(other.try_acquire().is_err());
}

#[test]
fn new_settings_leave_a_break_its_end() {
    let (breaker, clock) = breaker(Config::new());
    trip(&breaker);
    clock.advance(Duration::from_secs(20));
    breaker
        .reconfigure(Config::new().recovery_timeout(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(
        breaker.try_acquire().unwrap_err().retry_after,
        Some(Duration::from_secs(40))
    );
    clock.advance(Duration::from_secs(40));
    record(&breaker, Sample::Failure);
    assert_eq!(
        breaker.try_acquire().unwrap_err().retry_after,
        Some(Duration::from_secs(5)),
        "the next break follows the new settings"
    );
}

#[test]
fn new_settings_keep_the_streak() {
    let (breaker, _clock) = breaker(Config::new());
    for _ in 0..3 {
        record(&breaker, Sample::Failure);
    }
    breaker
        .reconfigure(Config::new().failure_threshold(4))
        .unwrap();
    assert_eq!(breaker.failure_count(), 3);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn fewer_probes_by_new_settings_do_not_wedge_a_half_open_period() {
    let (breaker, _clock) = after_break(Config::new().success_threshold(5));
    for _ in 0..4 {
        record(&breaker, Sample::Success);
    }
    breaker
        .reconfigure(Config::new().success_threshold(2))
        .unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn bad_settings_are_refused_all_at_once_and_change_nothing() {
    let (breaker, _clock) = breaker(Config::new());
    let faults = breaker
        .reconfigure(
            Config::new()
                .failure_threshold(0)
                .recovery_timeout(Duration::ZERO)
                .success_threshold(0)
                .permitted_probes(5000),
        )
        .unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: failure_threshold must be 1 to 1073741823, got 0; \
         recovery_timeout must be longer than zero, got 0s; \
         success_threshold must be 1 to 1023, got 0; \
         permitted_probes must be 1 to 1023, got 5000"
    );
    assert_eq!(breaker.config(), Config::new());
    assert!(Config::new().success_threshold(0).build().is_err());
}
