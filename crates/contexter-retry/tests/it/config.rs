//! Settings from text.

use std::time::Duration;

use contexter_retry::{BudgetConfig, Config, HedgeConfig};
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

#[test]
fn a_budget_and_a_hedge_are_understood_and_checked() {
    let text = r#"{
        "wait_if_refused": true, "max_elapsed": "2m",
        "budget": { "ratio": 0.1, "reserve": 5 }
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let budget = BudgetConfig::new().ratio(0.1).reserve(5);
    let expected = Config::new()
        .wait_if_refused(true)
        .max_elapsed(Duration::from_mins(2))
        .budget(budget);
    assert_eq!(config, expected);

    let text = r#"{ "delay": "80ms", "max_attempts": 3, "budget": {} }"#;
    let hedge: HedgeConfig = serde_json::from_str(text).unwrap();
    let expected = HedgeConfig::new()
        .delay(Duration::from_millis(80))
        .max_attempts(3)
        .budget(BudgetConfig::new());
    assert_eq!(hedge, expected);
    let written = serde_json::to_string(&hedge).unwrap();
    assert_eq!(
        serde_json::from_str::<HedgeConfig>(&written).unwrap(),
        hedge
    );

    let unknown = serde_json::from_str::<BudgetConfig>(r#"{ "tokens": 3 }"#).unwrap_err();
    assert!(unknown.to_string().contains("tokens"), "{unknown}");
    let config: Config = serde_json::from_str(r#"{ "budget": { "ratio": 2 } }"#).unwrap();
    assert_eq!(
        config.validate().unwrap_err().to_string(),
        "invalid configuration: budget.ratio must be above 0 and at most 1, got 2"
    );
}
