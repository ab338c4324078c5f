//! Settings from text.

use std::time::Duration;

use contexter_breaker::{Abandoned, Config};

#[test]
fn what_is_left_out_has_the_default_of_the_specification() {
    let config: Config = serde_json::from_str("{}").unwrap();
    assert_eq!(config.failure_threshold, 5);
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
