//! Settings that cannot work.

use std::time::Duration;

use contexter_breaker::{Abandoned, Config, Window};

fn faults(config: Config) -> Vec<String> {
    let invalid = config.validate().unwrap_err();
    assert_eq!(config.build().unwrap_err(), invalid);
    invalid
        .faults()
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.problem))
        .collect()
}

fn window() -> Config {
    Config::new().window(Window::Calls(100))
}

#[test]
fn a_rate_is_above_0_and_at_most_1() {
    for rate in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY] {
        let config = window()
            .failure_rate(rate)
            .slow_call(Duration::from_secs(1))
            .slow_call_rate(rate)
            .abandoned(Abandoned::Rate(rate));
        let problem = format!("must be above 0 and at most 1, got {rate}");
        assert_eq!(
            faults(config),
            ["failure_rate", "slow_call_rate", "abandoned.rate"]
                .map(|field| format!("{field} {problem}"))
        );
    }
    for rate in [1.0, f64::MIN_POSITIVE] {
        window().failure_rate(rate).validate().unwrap();
    }
}

#[test]
fn a_window_holds_something_and_the_minimum_fits_in() {
    assert_eq!(
        faults(Config::new().window(Window::Calls(0))),
        ["window.calls must be 1 to 65536, got 0"]
    );
    assert_eq!(
        faults(Config::new().window(Window::Calls(65_537))),
        ["window.calls must be 1 to 65536, got 65537"]
    );
    assert_eq!(
        faults(Config::new().window(Window::Time(Duration::ZERO))),
        ["window.time must be longer than zero, got 0s"]
    );
    for minimum in [0, 101] {
        assert_eq!(
            faults(window().minimum_calls(minimum)),
            [format!(
                "minimum_calls must be at least 1 and at most window.calls (100), got {minimum}"
            )]
        );
    }
    window().minimum_calls(100).validate().unwrap();
    Config::new().window(Window::Calls(3)).validate().unwrap();
}

#[test]
fn no_duration_is_zero_and_no_base_above_its_cap() {
    let config = window()
        .slow_call(Duration::ZERO)
        .recovery_timeout(Duration::ZERO)
        .max_half_open(Duration::ZERO)
        .max_trip(Duration::ZERO);
    assert_eq!(
        faults(config),
        ["slow_call", "recovery_timeout", "max_trip", "max_half_open"]
            .map(|field| format!("{field} must be longer than zero, got 0s"))
    );
    assert_eq!(
        faults(Config::new().max_recovery_timeout(Duration::from_secs(59))),
        ["max_recovery_timeout must be at least recovery_timeout (60s), got 59s"]
    );
}

#[test]
fn breaks_do_not_shrink() {
    for multiplier in [0.0, 0.99, f64::NAN, f64::INFINITY] {
        assert_eq!(
            faults(Config::new().recovery_multiplier(multiplier)),
            [format!(
                "recovery_multiplier must be a number of at least 1, got {multiplier}"
            )]
        );
    }
}

#[test]
fn a_setting_without_effect_is_a_fault() {
    let config = Config::new()
        .failure_rate(0.5)
        .minimum_calls(5)
        .slow_call(Duration::from_secs(1))
        .abandoned(Abandoned::Rate(0.5));
    assert_eq!(
        faults(config),
        [
            "failure_rate",
            "minimum_calls",
            "slow_call",
            "abandoned.rate"
        ]
        .map(|field| format!("{field} needs a window, got none"))
    );
    assert_eq!(
        faults(window().slow_call_rate(0.5)),
        ["slow_call_rate needs slow_call, got none"]
    );
}

#[test]
fn the_longest_durations_and_largest_numbers_are_allowed() {
    let config = Config::new()
        .failure_threshold((1 << 30) - 1)
        .window(Window::Time(Duration::MAX))
        .minimum_calls(u32::MAX)
        .slow_call(Duration::MAX)
        .recovery_timeout(Duration::MAX)
        .recovery_multiplier(f64::MAX)
        .success_threshold(1023)
        .permitted_probes(1023)
        .max_half_open(Duration::MAX)
        .max_trip(Duration::MAX);
    let breaker = config.build().unwrap();
    for _ in 0..100 {
        breaker
            .try_acquire()
            .unwrap()
            .record(contexter_service::Sample::Failure);
    }
    breaker.trip_for(Duration::MAX);
    assert!(breaker.try_acquire().is_err());
}
