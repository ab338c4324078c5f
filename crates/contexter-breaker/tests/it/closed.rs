//! What a closed breaker counts.

use contexter_breaker::Config;
use contexter_service::{BreakerState, Clock, Sample};

use crate::{breaker, record, trip};

#[test]
fn opens_at_the_fifth_failure_in_a_row_by_default() {
    let (breaker, _clock) = breaker(Config::new());
    for failures in 1..5 {
        record(&breaker, Sample::Failure);
        assert_eq!(breaker.failure_count(), failures);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.failure_count(), 5);
}

#[test]
fn only_a_success_interrupts_a_streak() {
    let (breaker, _clock) = breaker(Config::new());
    for sample in [Sample::Failure; 4] {
        record(&breaker, sample);
    }
    record(&breaker, Sample::Neutral);
    assert_eq!(
        breaker.failure_count(),
        4,
        "a neutral outcome changes nothing"
    );
    record(&breaker, Sample::Success);
    assert_eq!(breaker.failure_count(), 0);
    for sample in [Sample::Failure; 4] {
        record(&breaker, sample);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    record(&breaker, Sample::Neutral);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn remembers_when_it_last_counted_a_failure() {
    let (breaker, clock) = breaker(Config::new());
    assert_eq!(breaker.last_failure(), None);
    record(&breaker, Sample::Failure);
    let failed = clock.now();
    clock.advance(std::time::Duration::from_secs(3));
    record(&breaker, Sample::Success);
    assert_eq!(breaker.last_failure(), Some(failed));
    assert_eq!(
        breaker.snapshot().last_failure,
        Some(std::time::Duration::from_secs(3))
    );
}

#[test]
fn a_snapshot_tells_state_and_numbers() {
    let (breaker, _clock) = breaker(Config::new());
    trip(&breaker);
    for _ in 0..3 {
        assert!(breaker.try_acquire().is_err());
    }
    let snapshot = breaker.snapshot();
    assert_eq!(snapshot.mechanism, "breaker");
    assert_eq!(snapshot.state, Some(BreakerState::Open));
    assert_eq!(
        snapshot.counters,
        [
            ("failures", 5),
            ("successes", 0),
            ("probes", 0),
            ("opened", 1),
            ("rejected", 3)
        ]
    );
}
