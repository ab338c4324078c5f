//! Control by hand, shared handles, and new settings at run time.

use std::time::Duration;

use contexter_breaker::{Breaker, Config, Window};
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
fn every_call_is_refused_only_while_a_break_lasts_or_by_hand() {
    let (breaker, clock) = breaker(Config::new());
    assert!(!breaker.refuses_calls());
    trip(&breaker);
    assert!(breaker.refuses_calls());
    clock.advance(BREAK);
    assert_eq!(breaker.state(), BreakerState::Open, "nobody has called yet");
    assert!(!breaker.refuses_calls());
    let probe = permit(&breaker);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(!breaker.refuses_calls());
    drop(probe);
    breaker.isolate();
    clock.advance(BREAK * 2);
    assert!(breaker.refuses_calls());
    breaker.release();
    assert!(!breaker.refuses_calls());
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

#[test]
fn a_dry_run_shows_what_it_would_do_and_refuses_nothing() {
    let config = Config::new().success_threshold(1).dry_run(true);
    let (breaker, clock) = breaker(config);
    trip(&breaker);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(!breaker.refuses_calls());
    for _ in 0..3 {
        record(&breaker, Sample::Failure);
    }
    assert_eq!(breaker.snapshot().counter("rejected"), Some(3));
    clock.advance(BREAK);
    let probe = permit(&breaker);
    record(&breaker, Sample::Failure);
    assert_eq!(
        breaker.state(),
        BreakerState::HalfOpen,
        "a call that would have been refused is no probe"
    );
    probe.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.isolate();
    assert!(breaker.try_acquire().is_err(), "that was by hand");
}

#[test]
fn only_a_breaker_that_decides_like_a_new_one_is_pristine() {
    let (breaker, clock) = breaker(Config::new().success_threshold(1));
    assert!(breaker.is_pristine());
    record(&breaker, Sample::Success);
    assert!(breaker.is_pristine());
    record(&breaker, Sample::Failure);
    assert!(!breaker.is_pristine(), "a failure counts");
    clock.advance(BREAK);
    assert!(breaker.is_pristine(), "but not for ever");
    record(&breaker, Sample::Failure);
    assert!(!breaker.is_pristine(), "again");
    for _ in 0..3 {
        record(&breaker, Sample::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(!breaker.is_pristine(), "open");
    clock.advance(BREAK);
    let probe = permit(&breaker);
    assert!(!breaker.is_pristine(), "half-open");
    probe.record(Sample::Success);
    assert!(breaker.is_pristine(), "closed again");
    for held in [Breaker::isolate, Breaker::force_close] {
        held(&breaker);
        assert!(!breaker.is_pristine(), "by hand");
        breaker.release();
        assert!(breaker.is_pristine());
    }
    let permit = breaker.try_acquire_owned().unwrap();
    assert!(!breaker.is_pristine(), "a permit is in flight");
    drop(permit);
    record(&breaker, Sample::Success);
    let clone = breaker.clone();
    assert!(!breaker.is_pristine(), "another handle");
    drop(clone);
    assert!(breaker.is_pristine());
    let _subscription = breaker.subscribe();
    assert!(
        !breaker.is_pristine(),
        "somebody would miss its transitions"
    );
}

#[test]
fn a_window_is_pristine_when_it_is_empty() {
    let config = Config::new().window(Window::Time(Duration::from_secs(10)));
    let (breaker, clock) = breaker(config);
    assert!(breaker.is_pristine());
    record(&breaker, Sample::Success);
    assert!(!breaker.is_pristine());
    clock.advance(Duration::from_secs(10));
    assert!(breaker.is_pristine());
}

#[test]
fn a_window_of_calls_does_not_count_for_ever() {
    let config = Config::new().window(Window::Calls(20));
    let (breaker, clock) = breaker(config);
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Failure);
    assert!(!breaker.is_pristine());
    clock.advance(BREAK);
    record(&breaker, Sample::Success);
    assert!(breaker.is_pristine(), "no failure for as long as a break");

    let both = Config::new()
        .window(Window::Time(Duration::from_secs(10)))
        .failure_threshold(5);
    breaker.reconfigure(both).unwrap();
    record(&breaker, Sample::Failure);
    clock.advance(Duration::from_secs(10));
    assert!(!breaker.is_pristine(), "a failure in a row");
    clock.advance(BREAK);
    assert!(breaker.is_pristine());
}
