//! The settings: what is refused, and how they are written.

use std::time::Duration;

use contexter_limit::{AdaptiveConfig, BulkheadConfig, Quota, RateLimitConfig, Shape, Takes};

fn faults(config: &RateLimitConfig) -> Vec<String> {
    let invalid = config.validate().unwrap_err();
    invalid
        .faults()
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.problem))
        .collect()
}

#[test]
fn every_fault_of_a_rate_limit_is_told_at_once() {
    let config = RateLimitConfig::new()
        .requests(Quota::new(0, Duration::ZERO))
        .tokens(Quota::per_minute(10).burst(11))
        .quota("tokens", Quota::new(5, Duration::MAX).burst(0))
        .quota(
            "slow",
            Quota::new(10, Duration::from_hours(24 * 3650)).burst(9),
        )
        .max_pause(Duration::ZERO);
    assert_eq!(
        faults(&config),
        [
            "requests.limit must be at least 1, got 0",
            "requests.period must be longer than zero and at most 315360000s, got 0ns",
            "tokens.burst must be 1 to limit (10), got 11",
            "quotas.slow.burst must be renewed within 315360000s, got 9, which takes 2305843009.213693952s",
            "quotas.tokens.period must be longer than zero and at most 315360000s, \
             got 18446744073709551615.999999999s",
            "quotas.tokens.burst must be 1 to limit (5), got 0",
            "quotas must not repeat a name, got tokens",
            "max_pause must be longer than zero, got 0s",
        ]
    );
}

#[test]
fn a_limiter_has_one_to_four_quotas() {
    assert_eq!(
        faults(&RateLimitConfig::new()),
        ["quotas must be 1 to 4 with requests and tokens, got 0"]
    );
    let mut config = RateLimitConfig::new().requests(Quota::per_second(1));
    for name in ["a", "b", "c"] {
        config = config.quota(name, Quota::per_second(1));
    }
    assert!(config.validate().is_ok());
    assert_eq!(
        faults(&config.quota("d", Quota::per_second(1))),
        ["quotas must be 1 to 4 with requests and tokens, got 5"]
    );
}

#[test]
fn a_rate_limit_is_written_in_few_words() {
    let short = r#"{
        "requests": { "limit": 2000, "period": "1m" },
        "tokens": { "limit": 3000000, "period": "1m" }
    }"#;
    let config: RateLimitConfig = serde_json::from_str(short).unwrap();
    let same = RateLimitConfig::new()
        .requests(Quota::per_minute(2_000))
        .tokens(Quota::per_minute(3_000_000));
    assert_eq!(config, same);

    let long = r#"{
        "quotas": { "pages": {
            "limit": 7, "period": "1h 30m", "burst": 2, "shape": "token_bucket", "takes": "weight"
        } },
        "max_wait": "30s",
        "max_pause": "10m"
    }"#;
    let config: RateLimitConfig = serde_json::from_str(long).unwrap();
    let pages = Quota::new(7, Duration::from_mins(90))
        .burst(2)
        .shape(Shape::TokenBucket)
        .takes(Takes::Weight);
    let same = RateLimitConfig::new()
        .quota("pages", pages)
        .max_wait(Duration::from_secs(30))
        .max_pause(Duration::from_mins(10));
    assert_eq!(config, same);
    let again = serde_json::to_string(&config).unwrap();
    assert_eq!(
        serde_json::from_str::<RateLimitConfig>(&again).unwrap(),
        same
    );

    for wrong in [
        r#"{ "request": { "limit": 1, "period": "1s" } }"#,
        r#"{ "requests": { "limit": 1, "per": "1s" } }"#,
        r#"{ "requests": { "limit": -1, "period": "1s" } }"#,
    ] {
        assert!(
            serde_json::from_str::<RateLimitConfig>(wrong).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn every_fault_of_a_bulkhead_is_told_at_once() {
    let invalid = BulkheadConfig::new()
        .max_concurrent(0)
        .max_queue(2_000_000)
        .max_wait(Duration::ZERO)
        .validate()
        .unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "invalid configuration: max_concurrent must be 1 to 1000000, got 0; \
         max_queue must be at most 1000000, got 2000000; \
         max_wait must be longer than zero, as max_queue is 2000000, got 0s"
    );
    let refusing = BulkheadConfig::new().max_queue(0).max_wait(Duration::ZERO);
    assert!(refusing.validate().is_ok());
}

#[test]
fn a_bulkhead_is_written_in_few_words() {
    let text = r#"{ "max_concurrent": 8, "max_wait": "250ms" }"#;
    let config: BulkheadConfig = serde_json::from_str(text).unwrap();
    let same = BulkheadConfig::new()
        .max_concurrent(8)
        .max_wait(Duration::from_millis(250));
    assert_eq!(config, same);
    assert!(serde_json::from_str::<BulkheadConfig>(r#"{ "concurrent": 8 }"#).is_err());
}

#[test]
fn every_fault_of_an_adaptive_limit_is_told_at_once() {
    let invalid = AdaptiveConfig::new()
        .min(0)
        .max(2_000_000)
        .initial(3_000_000)
        .tolerance(f64::NAN)
        .backoff(1.0)
        .window(Duration::ZERO)
        .baseline_doubling(Duration::ZERO)
        .max_wait(Duration::ZERO)
        .validate()
        .unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "invalid configuration: min must be 1 to max (2000000), got 0; \
         max must be 1 to 1000000, got 2000000; \
         initial must be min to max (0 to 2000000), got 3000000; \
         tolerance must be a number of at least 1, got NaN; \
         backoff must be above 0 and below 1, got 1; \
         window must be longer than zero, got 0s; \
         baseline_doubling must be longer than zero, got 0s; \
         max_wait must be longer than zero, as max_queue is 100, got 0s"
    );
    for backoff in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(AdaptiveConfig::new().backoff(backoff).validate().is_err());
    }
    assert!(AdaptiveConfig::new().min(20).max(10).validate().is_err());
    assert!(AdaptiveConfig::new().min(50).max(60).validate().is_ok());
    assert!(AdaptiveConfig::new().max(5).validate().is_ok());
}

#[test]
fn an_adaptive_limit_is_written_in_few_words() {
    let text = r#"{ "min": 2, "max": 40, "baseline_doubling": "30m" }"#;
    let config: AdaptiveConfig = serde_json::from_str(text).unwrap();
    let same = AdaptiveConfig::new()
        .min(2)
        .max(40)
        .baseline_doubling(Duration::from_mins(30));
    assert_eq!(config, same);
    assert!(serde_json::from_str::<AdaptiveConfig>(r#"{ "minimum": 2 }"#).is_err());
}
