//! Probes: how many, what they decide, and whose outcome counts.

use std::time::Duration;

use contexter_breaker::{Abandoned, Config};
use contexter_service::{BreakerState, Open, Sample, superseded};

use crate::{BREAK, after_break, breaker, permit, record, trip};

#[test]
fn of_many_concurrent_calls_exactly_the_permitted_probes_pass() {
    for permitted in [1, 3, 10] {
        let (breaker, _clock) = after_break(Config::new().permitted_probes(permitted));
        let probes: Vec<_> = (0..100)
            .filter_map(|_| breaker.try_acquire().ok())
            .collect();
        assert_eq!(probes.len(), permitted as usize);
        assert_eq!(
            breaker.try_acquire().unwrap_err(),
            Open { retry_after: None }
        );
    }
}

#[test]
fn as_many_probes_pass_as_must_succeed_by_default() {
    let (breaker, _clock) = after_break(Config::new());
    let probes = [permit(&breaker), permit(&breaker), permit(&breaker)];
    assert!(breaker.try_acquire().is_err());
    for (index, probe) in probes.into_iter().enumerate() {
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "after {index}");
        probe.record(Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.failure_count(), 0);
}

#[test]
fn fewer_permitted_probes_run_one_after_the_other() {
    let (breaker, _clock) = after_break(Config::new().permitted_probes(1));
    for _ in 0..3 {
        assert_ne!(breaker.state(), BreakerState::Closed);
        let probe = permit(&breaker);
        assert!(breaker.try_acquire().is_err());
        probe.record(Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn one_failed_probe_opens_it_again_for_a_whole_break() {
    let (breaker, clock) = after_break(Config::new());
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(BREAK));
    clock.advance(BREAK);
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Success);
    assert_eq!(
        breaker.state(),
        BreakerState::HalfOpen,
        "successes of the period before do not count"
    );
}

#[test]
fn with_spare_probes_it_decides_as_soon_as_the_outcome_is_certain() {
    let config = Config::new().success_threshold(3).permitted_probes(5);
    let (breaker, _clock) = after_break(config);
    record(&breaker, Sample::Failure);
    record(&breaker, Sample::Failure);
    assert_eq!(
        breaker.state(),
        BreakerState::HalfOpen,
        "3 of 5 are possible"
    );
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open, "3 of 5 are not");

    let (breaker, _clock) = after_break(config);
    for sample in [Sample::Failure, Sample::Success, Sample::Success] {
        record(&breaker, sample);
    }
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    record(&breaker, Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_neutral_probe_gives_its_place_back_and_decides_nothing() {
    let (breaker, _clock) = after_break(Config::new().permitted_probes(1));
    for _ in 0..100 {
        record(&breaker, Sample::Neutral);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.snapshot().counter("probes"), Some(0));
    }
}

#[test]
fn a_dropped_probe_counts_as_a_failure_by_default() {
    let (breaker, _clock) = after_break(Config::new());
    drop(permit(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_probe_that_lost_to_another_attempt_is_no_failure_and_gives_its_place_back() {
    let (breaker, _clock) = after_break(Config::new().permitted_probes(1));
    for _ in 0..3 {
        let loser = permit(&breaker);
        superseded(|| drop(loser));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        record(&breaker, Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    let loser = permit(&breaker);
    superseded(|| drop(loser));
    assert_eq!(breaker.failure_count(), 0);
}

#[test]
fn a_probe_that_panics_while_it_is_given_up_is_a_failure() {
    let (breaker, _clock) = after_break(Config::new());
    let loser = permit(&breaker);
    let given_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        superseded(|| {
            let _loser = loser;
            panic!("in a drop");
        });
    }));
    assert!(given_up.is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_dropped_probe_gives_its_place_back_when_abandoned_calls_are_neutral() {
    let config = Config::new()
        .permitted_probes(1)
        .abandoned(Abandoned::Neutral);
    let (breaker, _clock) = after_break(config);
    drop(permit(&breaker));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    drop(permit(&breaker));
}

#[test]
fn a_panicking_probe_counts_as_a_failure_and_leaves_the_breaker_usable() {
    let (breaker, clock) = after_break(Config::new().abandoned(Abandoned::Neutral));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _probe = permit(&breaker);
        panic!("in the middle of a probe");
    }));
    assert!(panicked.is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(BREAK);
    for _ in 0..3 {
        record(&breaker, Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_success_from_the_closed_era_does_not_close() {
    let (breaker, clock) = breaker(Config::new().success_threshold(1));
    let stale = permit(&breaker);
    trip(&breaker);
    clock.advance(BREAK);
    let probe = permit(&breaker);
    stale.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(breaker.try_acquire().is_err(), "and admits no further call");
    probe.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_failure_from_the_closed_era_does_not_open() {
    let (breaker, clock) = breaker(Config::new().success_threshold(1));
    let stale = permit(&breaker);
    trip(&breaker);
    clock.advance(BREAK);
    let probe = permit(&breaker);
    stale.record(Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    probe.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_probe_of_an_earlier_period_has_no_effect_and_frees_no_place() {
    let (breaker, clock) = after_break(Config::new().success_threshold(2));
    let stale = permit(&breaker);
    record(&breaker, Sample::Failure);
    clock.advance(BREAK);
    let (first, second) = (permit(&breaker), permit(&breaker));
    stale.record(Sample::Success);
    assert!(breaker.try_acquire().is_err());
    first.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "one of two");
    second.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn probes_are_bounded_also_when_threads_race_for_them() {
    for _ in 0..50 {
        let (breaker, _clock) = after_break(Config::new());
        let start = std::sync::Barrier::new(8);
        let (breaker, start) = (&breaker, &start);
        let admitted = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(move || {
                        start.wait();
                        (0..10)
                            .filter_map(|_| breaker.try_acquire().ok())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(admitted.len(), 3);
    }
}

#[test]
fn hung_probes_lose_their_places_and_the_breaker_opens_for_another_break() {
    let config = Config::new().max_half_open(Duration::from_secs(90));
    let (breaker, clock) = after_break(config);
    let hung = [permit(&breaker), permit(&breaker), permit(&breaker)];
    clock.advance(Duration::from_secs(90) - Duration::from_nanos(1));
    assert_eq!(
        breaker.try_acquire().unwrap_err(),
        Open { retry_after: None }
    );
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(
        breaker.try_acquire().unwrap_err(),
        Open {
            retry_after: Some(BREAK)
        }
    );
    assert_eq!(breaker.snapshot().counter("opened"), Some(2));
    for late in hung {
        late.record(Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Open, "they come too late");
    clock.advance(BREAK);
    for _ in 0..3 {
        record(&breaker, Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_hung_probe_of_one_period_does_not_decide_the_next() {
    let config = Config::new().success_threshold(1);
    let (breaker, clock) = after_break(config);
    let hung = permit(&breaker);
    clock.advance(BREAK);
    assert!(breaker.try_acquire().is_err(), "reopened");
    clock.advance(BREAK);
    let probe = permit(&breaker);
    hung.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(breaker.try_acquire().is_err(), "and gave no place back");
    probe.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn probes_that_are_merely_rare_are_not_hung() {
    let (breaker, clock) = after_break(Config::new().permitted_probes(1));
    for _ in 0..2 {
        record(&breaker, Sample::Success);
        clock.advance(BREAK * 60);
        // Somebody asks while the next probe has only just begun.
        let probe = permit(&breaker);
        assert!(breaker.try_acquire().is_err());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.record(Sample::Neutral);
    }
    record(&breaker, Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn one_hung_probe_among_others_is_found_out_when_no_place_is_left() {
    let (breaker, clock) = after_break(Config::new());
    let hung = permit(&breaker);
    record(&breaker, Sample::Success);
    record(&breaker, Sample::Success);
    assert!(breaker.try_acquire().is_err(), "the third decides");
    clock.advance(BREAK);
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    drop(hung);
}

#[test]
fn an_owned_permit_goes_where_the_call_ends() {
    let (breaker, _clock) = after_break(Config::new().success_threshold(1));
    let permit = breaker.try_acquire_owned().unwrap();
    assert!(breaker.try_acquire_owned().is_err());
    let body = std::thread::spawn(move || permit.record(Sample::Success));
    body.join().unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);
    drop(breaker.try_acquire_owned().unwrap());
    assert_eq!(breaker.failure_count(), 1, "abandoned");
}
