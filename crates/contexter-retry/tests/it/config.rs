//! Settings from text.

use std::time::Duration;

use contexter_retry::Config;
use contexter_service::Jitter;

#[test]
fn what_is_left_out_has_the_default_of_the_specification() {
    let config: Config = serde_json::from_str("{}").unwrap();
    assert_eq!(config.max_attempts, 3);
    assert_eq!(config.base_delay, Duration::from_secs(1));
    assert_eq!(config.max_delay, Duration::from_mins(1));
    assert!((config.backoff_multiplier - 2.0).abs() < f64::EPSILON);
    assert_eq!(config.jitter, Jitter::Equal);
}

#[test]
fn the_specification_s_own_values_are_understood() {
    let text = r#"{
        "max_attempts": 5, "base_delay": 0.5, "max_delay": 30, "backoff_multiplier": 1.5,
        "jitter": false
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let expected = Config::new()
        .max_attempts(5)
        .base_delay(Duration::from_millis(500))
        .max_delay(Duration::from_secs(30))
        .backoff_multiplier(1.5)
        .jitter(Jitter::None);
    assert_eq!(config, expected);
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), expected);
}

#[test]
fn bad_values_are_errors_that_name_them() {
    for (text, named) in [
        (r#"{"base_delay": "soon"}"#, "soon"),
        (r#"{"base_delay": -1}"#, "-1"),
        (r#"{"base_delay": 1e300}"#, "1e+300"),
        (r#"{"jitter": "some"}"#, "some"),
        (r#"{"attempts": 3}"#, "attempts"),
    ] {
        let error = serde_json::from_str::<Config>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(named), "{error}");
    }
}
