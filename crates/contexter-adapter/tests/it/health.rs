//! Health as data.

use std::time::Duration;

use contexter_adapter::{AdapterSnapshot, HealthStatus, ServiceHealth};
use jiff::Timestamp;
use serde_json::json;

#[test]
fn health_is_written_as_the_specification_spells_it() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let response_time = Duration::from_micros(12_500);
    let healthy = ServiceHealth::new(HealthStatus::Healthy, response_time, at);
    assert_eq!(
        serde_json::to_value(&healthy).unwrap(),
        json!({
            "status": "healthy",
            "response_time_ms": 12.5,
            "details": {},
            "timestamp": "2023-11-14T22:13:20Z",
        }),
    );
    let unhealthy = ServiceHealth::new(HealthStatus::Unhealthy, response_time, at)
        .with_detail("host", "a")
        .with_detail("host", "b")
        .with_error("connection refused");
    let written = serde_json::to_value(&unhealthy).unwrap();
    assert_eq!(written["details"], json!({"host": "b"}));
    assert_eq!(written["error_message"], "connection refused");
    assert_eq!(
        serde_json::from_value::<ServiceHealth>(written).unwrap(),
        unhealthy
    );
}

#[test]
fn only_healthy_is_healthy() {
    let is_healthy =
        |status| ServiceHealth::new(status, Duration::ZERO, Timestamp::UNIX_EPOCH).is_healthy();
    assert!(is_healthy(HealthStatus::Healthy));
    assert!(!is_healthy(HealthStatus::Degraded));
    assert!(!is_healthy(HealthStatus::Unhealthy));
}

#[test]
fn a_status_is_the_same_word_everywhere_and_can_be_aligned() {
    for status in [
        HealthStatus::Healthy,
        HealthStatus::Degraded,
        HealthStatus::Unhealthy,
    ] {
        assert_eq!(status.to_string(), status.as_str());
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert_eq!(format!("{:>10}|", HealthStatus::Healthy), "   healthy|");
}

#[test]
fn the_longest_response_time_is_still_a_number() {
    let health = ServiceHealth::new(HealthStatus::Healthy, Duration::MAX, Timestamp::UNIX_EPOCH);
    assert!(health.response_time_ms.is_finite());
    let written = serde_json::to_string(&health).unwrap();
    assert_eq!(
        serde_json::from_str::<ServiceHealth>(&written).unwrap(),
        health
    );
}

#[test]
fn a_snapshot_says_nothing_until_told() {
    let snapshot = AdapterSnapshot::default();
    assert_eq!(snapshot.breaker_state, None);
    let snapshot = snapshot
        .with_breaker("half_open", 4, Some(Timestamp::UNIX_EPOCH))
        .with_last_operation(Duration::from_millis(7));
    let written = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(
        serde_json::from_str::<AdapterSnapshot>(&written).unwrap(),
        snapshot
    );
    assert_eq!(snapshot.failure_count, 4);
    assert_eq!(snapshot.last_operation, Some(Duration::from_millis(7)));
}
