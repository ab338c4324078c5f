//! The stack's settings from text.

use std::time::Duration;

use contexter_resilience::{BreakerConfig, Scope, StackConfig};

fn read(text: &str) -> Result<StackConfig, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn what_is_left_out_has_the_default_of_the_specification() {
    let config = read("{}").unwrap();
    assert_eq!(config, StackConfig::default());
    assert_eq!(config.scope, Scope::Call);
    let breaker = config.breaker.unwrap();
    assert_eq!(breaker.timeout, Some(Duration::from_secs(30)));
    assert_eq!(breaker.config.consecutive_failures(), Some(5));
    assert_eq!(breaker.config.recovery_timeout, Duration::from_mins(1));
    assert_eq!(breaker.config.success_threshold, 3);
    assert_eq!(config.retry, Some(contexter_retry::Config::default()));
    assert!(config.build().is_ok());
}

#[test]
fn the_breaker_s_timeout_stands_among_its_settings() {
    for text in [
        r#"{"breaker": {"timeout": "5s", "failure_threshold": 2}}"#,
        r#"{"breaker": {"failure_threshold": 2, "timeout": 5}}"#,
    ] {
        let expected = BreakerConfig::from(contexter_breaker::Config::new().failure_threshold(2))
            .timeout(Duration::from_secs(5));
        assert_eq!(read(text).unwrap().breaker, Some(expected));
    }
    let off = read(r#"{"breaker": {"timeout": null}}"#).unwrap();
    assert_eq!(off.breaker.unwrap().timeout, None);
}

#[test]
fn null_switches_a_part_off() {
    let config = read(r#"{"breaker": null, "retry": null}"#).unwrap();
    assert_eq!(config, StackConfig::new().breaker(None).retry(None));
}

#[test]
fn an_unknown_setting_is_an_error_at_every_level() {
    for text in [
        r#"{"brake": {}}"#,
        r#"{"breaker": {"brake": 5}}"#,
        r#"{"retry": {"brake": 5}}"#,
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains("brake"), "{text}: {error}");
    }
    assert!(
        read(r#"{"scope": "sometimes"}"#)
            .unwrap_err()
            .contains("sometimes")
    );
    assert!(
        read(r#"{"breaker": {"timeout": "soon"}}"#)
            .unwrap_err()
            .contains("soon")
    );
}

#[test]
fn settings_survive_a_round_trip() {
    let config = StackConfig::new()
        .scope(Scope::Attempt)
        .deadline(Duration::from_secs(90))
        .retry(None);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(read(&text).unwrap(), config, "{text}");
}

#[test]
fn all_faults_of_all_parts_come_at_once() {
    let config = read(
        r#"{
            "breaker": {"failure_threshold": 0, "timeout": "0s"},
            "retry": {"max_attempts": 0},
            "deadline": "0s"
        }"#,
    )
    .unwrap();
    assert_eq!(
        config.build().unwrap_err().to_string(),
        "invalid configuration: \
         breaker.failure_threshold must be 1 to 1073741823, got 0; \
         breaker.timeout must be longer than zero, got 0s; \
         retry.max_attempts must be at least 1, got 0; \
         deadline must be longer than zero, got 0s"
    );
}
