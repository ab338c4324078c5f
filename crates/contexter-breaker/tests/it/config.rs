//! Settings from text.

use std::time::Duration;

use contexter_breaker::{Abandoned, Config, Window};
use contexter_service::Jitter;

#[test]
fn what_is_left_out_has_the_default_of_the_specification() {
    let config: Config = serde_json::from_str("{}").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.consecutive_failures(), Some(5));
    assert_eq!(config.recovery_timeout, Duration::from_mins(1));
    assert_eq!(config.success_threshold, 3);
    assert_eq!(config.permitted_probes, None);
    assert_eq!(config.abandoned, Abandoned::Failure);
}

#[test]
fn durations_are_humane_and_survive_a_round_trip() {
    let text = r#"{"recovery_timeout": "1m 30s", "abandoned": "neutral"}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    assert_eq!(config.recovery_timeout, Duration::from_secs(90));
    let written = serde_json::to_string(&config).unwrap();
    assert!(
        written.contains(r#""recovery_timeout":"1m 30s""#),
        "{written}"
    );
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), config);
}

#[test]
fn an_unknown_setting_is_an_error_that_names_it() {
    let error = serde_json::from_str::<Config>(r#"{"failure_treshold": 5}"#).unwrap_err();
    assert!(error.to_string().contains("failure_treshold"), "{error}");
}

#[test]
fn a_window_reads_like_a_sentence() {
    let text = r#"{
        "window": {"time": "10s"},
        "failure_rate": 0.3,
        "minimum_calls": 20,
        "slow_call": "2s",
        "slow_call_rate": 0.8,
        "abandoned": {"rate": 0.9},
        "recovery_multiplier": 2,
        "max_recovery_timeout": "5m",
        "recovery_jitter": "equal",
        "max_half_open": "30s",
        "max_trip": "1h",
        "dry_run": true
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let expected = Config::new()
        .window(Window::Time(Duration::from_secs(10)))
        .failure_rate(0.3)
        .minimum_calls(20)
        .slow_call(Duration::from_secs(2))
        .slow_call_rate(0.8)
        .abandoned(Abandoned::Rate(0.9))
        .recovery_multiplier(2.0)
        .max_recovery_timeout(Duration::from_mins(5))
        .recovery_jitter(Jitter::Equal)
        .max_half_open(Duration::from_secs(30))
        .max_trip(Duration::from_hours(1))
        .dry_run(true);
    assert_eq!(config, expected);
    config.validate().unwrap();
    assert_eq!(config.consecutive_failures(), None, "the window decides");
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), config);

    let calls: Config = serde_json::from_str(r#"{"window": {"calls": 100}}"#).unwrap();
    assert_eq!(calls.window, Some(Window::Calls(100)));
    calls.validate().unwrap();
}
