//! Rates of failing and slow calls in a window.

use std::time::Duration;

use contexter_breaker::{Abandoned, Breaker, Config, Window};
use contexter_service::{BreakerState, ManualClock, Sample};

use crate::{BREAK, breaker, permit, record};

const SECOND: Duration = Duration::from_secs(1);

fn calls(size: u32) -> Config {
    Config::new().window(Window::Calls(size))
}

fn ten_seconds() -> Config {
    Config::new().window(Window::Time(Duration::from_secs(10)))
}

fn records(breaker: &Breaker<ManualClock>, sample: Sample, times: u32) {
    for _ in 0..times {
        record(breaker, sample);
    }
}

fn counted(breaker: &Breaker<ManualClock>, counter: &str) -> u64 {
    breaker.snapshot().counter(counter).unwrap()
}

#[test]
fn the_window_slides_so_old_successes_do_not_hide_an_outage() {
    let (breaker, _clock) = breaker(calls(100));
    records(&breaker, Sample::Success, 10_000);
    records(&breaker, Sample::Failure, 50);
    assert!(breaker.try_acquire().is_err(), "the 51st is refused");
    assert_eq!(breaker.failure_count(), 50);
}

#[test]
fn the_minimum_is_exact() {
    for config in [calls(100), ten_seconds()] {
        let (breaker, _clock) = breaker(config.minimum_calls(5));
        for admitted in 0..5 {
            assert_eq!(breaker.state(), BreakerState::Closed, "after {admitted}");
            record(&breaker, Sample::Failure);
        }
        assert!(breaker.try_acquire().is_err(), "the 6th is refused");
    }
}

#[test]
fn reaching_the_rate_is_enough_whatever_comes_last() {
    for config in [calls(10), ten_seconds()] {
        let config = config.minimum_calls(10);
        let orders: [(_, &[(Sample, u32)]); 5] = [
            (true, &[(Sample::Success, 5), (Sample::Failure, 5)]),
            (true, &[(Sample::Failure, 5), (Sample::Success, 5)]),
            (false, &[(Sample::Success, 6), (Sample::Failure, 4)]),
            (false, &[(Sample::Failure, 4), (Sample::Success, 6)]),
            (false, &[(Sample::Failure, 5), (Sample::Success, 4)]),
        ];
        for (opens, order) in orders {
            let (breaker, _clock) = breaker(config);
            for &(sample, times) in order {
                records(&breaker, sample, times);
            }
            assert_eq!(breaker.state() == BreakerState::Open, opens, "{order:?}");
        }
    }
}

#[test]
fn a_decimal_rate_means_the_decimal() {
    // As a binary fraction, 0.55 × 100 is more than 55.
    let (breaker, _clock) = breaker(calls(100).minimum_calls(100).failure_rate(0.55));
    records(&breaker, Sample::Success, 45);
    records(&breaker, Sample::Failure, 55);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn failures_older_than_the_window_are_forgotten() {
    let (breaker, clock) = breaker(ten_seconds());
    records(&breaker, Sample::Failure, 5);
    assert_eq!(breaker.failure_count(), 5);
    clock.advance(11 * SECOND);
    records(&breaker, Sample::Success, 5);
    assert_eq!(breaker.failure_count(), 0);
    assert_eq!(counted(&breaker, "window_calls"), 5);
}

#[test]
fn a_call_counts_to_the_end_of_the_window_and_not_a_nanosecond_longer() {
    let (breaker, clock) = breaker(ten_seconds());
    record(&breaker, Sample::Failure);
    clock.advance(Duration::new(9, 999_999_999));
    assert_eq!(breaker.failure_count(), 1);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(breaker.failure_count(), 0);
}

#[test]
fn an_idle_year_empties_the_window() {
    let (breaker, clock) = breaker(ten_seconds());
    records(&breaker, Sample::Success, 1000);
    records(&breaker, Sample::Failure, 9);
    clock.advance(Duration::from_hours(24 * 365));
    assert_eq!(counted(&breaker, "window_calls"), 0);
    records(&breaker, Sample::Failure, 9);
    assert_eq!(breaker.state(), BreakerState::Closed);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn what_expires_can_let_the_next_outcome_open_it() {
    for look in [false, true] {
        let (breaker, clock) = breaker(ten_seconds());
        records(&breaker, Sample::Success, 70);
        clock.advance(5 * SECOND);
        records(&breaker, Sample::Failure, 30);
        assert_eq!(breaker.state(), BreakerState::Closed, "30 of 100");
        clock.advance(5 * SECOND);
        // Looking at the window changes nothing about it.
        assert!(!look || counted(&breaker, "window_calls") == 30);
        assert_eq!(
            breaker.state(),
            BreakerState::Closed,
            "time alone opens nothing"
        );
        record(&breaker, Sample::Success);
        assert_eq!(breaker.state(), BreakerState::Open, "30 of 31");
    }
}

#[test]
fn a_far_side_that_is_down_from_the_start_is_found_out_at_the_minimum() {
    for config in [calls(100), ten_seconds()] {
        let (breaker, _clock) = breaker(config.minimum_calls(20));
        let admitted = (0..100)
            .filter_map(|_| breaker.try_acquire().ok())
            .map(|permit| permit.record(Sample::Failure))
            .count();
        assert_eq!(admitted, 20);
    }
}

#[test]
fn at_low_traffic_the_defaults_cut_a_dead_far_side_off_within_seconds() {
    for config in [Config::new(), calls(100), ten_seconds()] {
        let (breaker, clock) = breaker(config);
        let mut calls = 0;
        while let Ok(permit) = breaker.try_acquire() {
            permit.record(Sample::Failure);
            clock.advance(SECOND / 2);
            calls += 1;
        }
        assert!(calls <= 10, "{calls} calls in {} s", calls / 2);
    }
}

#[test]
fn slow_calls_open_it_though_they_succeed() {
    for config in [calls(4), ten_seconds()] {
        let (breaker, clock) = breaker(config.minimum_calls(4).slow_call(SECOND));
        for tenths in [15, 15, 1, 1] {
            assert_eq!(breaker.state(), BreakerState::Closed);
            let call = permit(&breaker);
            clock.advance(tenths * SECOND / 10);
            call.record(Sample::Success);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

#[test]
fn a_call_is_slow_from_the_threshold_on() {
    let (breaker, clock) = breaker(calls(4).slow_call(SECOND));
    for duration in [Duration::from_nanos(999_999_999), SECOND] {
        let call = permit(&breaker);
        clock.advance(duration);
        call.record(Sample::Success);
    }
    assert_eq!(counted(&breaker, "window_slow"), 1);
    assert_eq!(counted(&breaker, "window_failures"), 0);
}

#[test]
fn a_call_that_began_before_calls_were_timed_is_not_slow() {
    let (breaker, clock) = breaker(calls(4));
    clock.advance(100 * SECOND);
    let call = permit(&breaker);
    breaker.reconfigure(calls(4).slow_call(SECOND)).unwrap();
    clock.advance(10 * SECOND);
    call.record(Sample::Success);
    assert_eq!(counted(&breaker, "window_calls"), 1);
    assert_eq!(counted(&breaker, "window_slow"), 0);
}

#[test]
fn a_slow_probe_does_not_close_it() {
    let (breaker, clock) = breaker(calls(4).slow_call(SECOND).success_threshold(1));
    breaker.trip_for(BREAK);
    clock.advance(BREAK);
    let probe = permit(&breaker);
    clock.advance(SECOND);
    probe.record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn failures_in_a_row_and_a_window_may_be_combined() {
    let config = calls(100).failure_threshold(3).minimum_calls(50);
    let (in_a_row, _clock) = breaker(config);
    records(&in_a_row, Sample::Success, 97);
    records(&in_a_row, Sample::Failure, 3);
    assert_eq!(in_a_row.state(), BreakerState::Open, "3 of 100, in a row");

    let (by_rate, _clock) = breaker(config);
    for _ in 0..16 {
        records(&by_rate, Sample::Success, 1);
        records(&by_rate, Sample::Failure, 2);
    }
    assert_eq!(by_rate.state(), BreakerState::Closed, "32 of 48");
    records(&by_rate, Sample::Success, 1);
    records(&by_rate, Sample::Failure, 1);
    assert_eq!(
        by_rate.state(),
        BreakerState::Open,
        "2 of 3, never 3 in a row"
    );
    assert_eq!(by_rate.failure_count(), 33, "33 of 50 opened it");
}

#[test]
fn with_a_window_failures_in_a_row_do_not_count_unless_asked_for() {
    let (breaker, _clock) = breaker(calls(100).minimum_calls(50));
    records(&breaker, Sample::Success, 100);
    records(&breaker, Sample::Failure, 49);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_neutral_outcome_is_not_in_the_window() {
    let (breaker, _clock) = breaker(calls(10).minimum_calls(1).failure_rate(1.0));
    records(&breaker, Sample::Neutral, 100);
    assert_eq!(counted(&breaker, "window_calls"), 0);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn the_window_is_empty_after_every_closing() {
    for config in [calls(20), ten_seconds()] {
        let (breaker, clock) = breaker(config.success_threshold(1).recovery_timeout(SECOND));
        records(&breaker, Sample::Success, 5);
        records(&breaker, Sample::Failure, 5);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(counted(&breaker, "window_calls"), 0);
        clock.advance(SECOND);
        record(&breaker, Sample::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
        records(&breaker, Sample::Failure, 9);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(counted(&breaker, "window_calls"), 9);
    }
}

#[test]
fn a_success_from_before_the_break_is_not_in_the_window_after_it() {
    let (breaker, clock) = breaker(calls(20).success_threshold(1));
    let stale = permit(&breaker);
    records(&breaker, Sample::Failure, 10);
    clock.advance(BREAK);
    record(&breaker, Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
    record(&breaker, Sample::Success);
    stale.record(Sample::Success);
    assert_eq!(counted(&breaker, "window_calls"), 1);
}

#[test]
fn abandoned_calls_open_it_by_their_own_rate() {
    let config = calls(10).abandoned(Abandoned::Rate(0.8));
    let (breaker, _clock) = breaker(config);
    records(&breaker, Sample::Success, 10);
    for dropped in 1..8 {
        drop(permit(&breaker));
        assert_eq!(breaker.state(), BreakerState::Closed, "{dropped} of 10");
        assert_eq!(counted(&breaker, "window_abandoned"), dropped);
    }
    assert_eq!(breaker.failure_count(), 0, "they are no failures");
    drop(permit(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn abandoned_calls_do_not_dilute_the_failures() {
    let config = ten_seconds()
        .minimum_calls(4)
        .abandoned(Abandoned::Rate(1.0));
    let (breaker, _clock) = breaker(config);
    for _ in 0..20 {
        drop(permit(&breaker));
        if breaker.state() == BreakerState::Open {
            break;
        }
        record(&breaker, Sample::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "never all of them");
    records(&breaker, Sample::Failure, 20);
    assert_eq!(
        breaker.state(),
        BreakerState::Open,
        "20 of the 40 that ended"
    );
}

#[test]
fn calls_to_a_hung_far_side_that_are_all_dropped_open_it_by_rate() {
    let (breaker, _clock) = breaker(ten_seconds().abandoned(Abandoned::Rate(1.0)));
    for _ in 0..10 {
        drop(permit(&breaker));
    }
    assert!(breaker.try_acquire().is_err());
}

#[test]
fn new_rates_keep_the_window_and_act_with_the_next_outcome() {
    for config in [calls(100), ten_seconds()] {
        for last in [Sample::Success, Sample::Failure] {
            for look in [false, true] {
                let (breaker, _clock) = breaker(config);
                records(&breaker, Sample::Success, 14);
                records(&breaker, Sample::Failure, 6);
                breaker.reconfigure(config.failure_rate(0.25)).unwrap();
                assert_eq!(breaker.state(), BreakerState::Closed);
                assert!(!look || counted(&breaker, "window_calls") == 20);
                record(&breaker, last);
                assert_eq!(breaker.state(), BreakerState::Open);
            }
        }
    }
}

#[test]
fn another_window_begins_empty() {
    let (breaker, clock) = breaker(calls(100));
    records(&breaker, Sample::Success, 10);
    records(&breaker, Sample::Failure, 9);
    breaker.reconfigure(ten_seconds()).unwrap();
    assert_eq!(counted(&breaker, "window_calls"), 0);
    records(&breaker, Sample::Failure, 9);
    clock.advance(20 * SECOND);
    assert_eq!(counted(&breaker, "window_calls"), 0, "it is by time now");
    breaker.reconfigure(Config::new()).unwrap();
    assert_eq!(breaker.snapshot().counter("window_calls"), None);
    records(&breaker, Sample::Failure, 4);
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.reconfigure(calls(100)).unwrap();
    assert_eq!(counted(&breaker, "window_calls"), 0);
    records(&breaker, Sample::Success, 3);
    assert_eq!(counted(&breaker, "window_calls"), 3);
}

#[test]
fn no_outcome_is_lost_between_threads() {
    const EACH: u32 = 20_000;
    for config in [calls(1 << 16), ten_seconds()] {
        // Rates that are never reached, in a window that is never full.
        let (breaker, _clock) = breaker(config.failure_rate(1.0));
        record(&breaker, Sample::Success);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let breaker = &breaker;
                scope.spawn(move || {
                    for call in 0..EACH {
                        let failed = (call + thread) % 100 == 0;
                        record(
                            breaker,
                            [Sample::Success, Sample::Failure][usize::from(failed)],
                        );
                        if call % 1000 == 0 {
                            assert!(counted(breaker, "window_calls") <= u64::from(3 * EACH) + 1);
                        }
                    }
                });
            }
        });
        assert_eq!(counted(&breaker, "window_calls"), u64::from(3 * EACH) + 1);
        assert_eq!(
            counted(&breaker, "window_failures"),
            u64::from(3 * EACH / 100)
        );
    }
}
