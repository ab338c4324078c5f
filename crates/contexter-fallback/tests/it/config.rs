//! Settings from text.

use std::time::Duration;

use contexter_fallback::{CacheConfig, FlightConfig, Freshness, StaleConfig};

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(
        serde_json::from_str::<CacheConfig>("{}").unwrap(),
        CacheConfig::new()
    );
    assert_eq!(
        serde_json::from_str::<StaleConfig>("{}").unwrap(),
        StaleConfig::new()
    );
    assert_eq!(
        serde_json::from_str::<FlightConfig>("{}").unwrap(),
        FlightConfig::new()
    );
}

#[test]
fn durations_are_humane_and_survive_a_round_trip() {
    let text = r#"{"fresh_for": "10m", "stale_if_error_for": "1day", "max_weight": 5}"#;
    let config: CacheConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.fresh_for, Duration::from_mins(10));
    assert_eq!(config.stale_if_error_for, Duration::from_hours(24));
    let written = serde_json::to_string(&config).unwrap();
    assert!(written.contains(r#""fresh_for":"10m""#), "{written}");
    assert_eq!(
        serde_json::from_str::<CacheConfig>(&written).unwrap(),
        config
    );
    let freshness: Freshness =
        serde_json::from_str(r#"{"fresh_for": "1s", "stale_if_error_for": "0s"}"#).unwrap();
    assert_eq!(freshness, Freshness::fresh_for(Duration::from_secs(1)));
}

#[test]
fn an_unknown_setting_is_an_error_that_names_it() {
    let error = serde_json::from_str::<CacheConfig>(r#"{"fresh": "1s"}"#).unwrap_err();
    assert!(error.to_string().contains("`fresh`"), "{error}");
    assert!(serde_json::from_str::<StaleConfig>(r#"{"max": 1}"#).is_err());
    assert!(serde_json::from_str::<FlightConfig>(r#"{"max": 1}"#).is_err());
}
