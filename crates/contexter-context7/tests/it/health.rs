//! Whether the service is well, without spending its allowance.

use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_context7::{Config, HEALTH_TIMEOUT};
use contexter_testkit::Scripted;

use crate::support::{ask, error, found, plain, rig, rig_with};

fn refused() -> Scripted {
    error(400, "validation_error", "libraryName is required")
}

fn forgetful() -> Config {
    plain().with_health_interval(Duration::from_nanos(1))
}

#[tokio::test]
async fn a_check_asks_for_a_refusal_and_looks_nothing_up() {
    let rig = rig(vec![refused()]).await;
    let health = rig.adapter.health_check().await;
    assert!(health.is_healthy(), "{health:?}");
    assert_eq!(rig.paths(), ["/api/v2/libs/search"]);
}

#[tokio::test]
async fn many_checks_of_a_healthy_service_are_one_request() {
    let rig = rig(vec![refused()]).await;
    for _ in 0..20 {
        assert!(rig.adapter.health_check().await.is_healthy());
    }
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn a_call_that_was_answered_stands_for_a_check() {
    let rig = rig(vec![error(404, "library_not_found", "unknown"), refused()]).await;
    rig.call(ask("/a/b")).await.unwrap_err();
    assert!(rig.adapter.health_check().await.is_healthy());
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn a_check_that_asks_nothing_took_as_long_as_the_last_call() {
    let takes = Duration::from_millis(80);
    let rig = rig(vec![found().delay(takes)]).await;
    rig.call(ask("/a/b")).await.unwrap();
    let health = rig.adapter.health_check().await;
    assert_eq!(rig.paths().len(), 1);
    assert!(health.response_time_ms >= 80.0, "{health:?}");
}

#[tokio::test]
async fn a_library_that_is_denied_is_no_trouble_of_the_service() {
    for (reply, well) in [
        (error(403, "access_denied", "Private library"), true),
        (error(403, "invalid_api_key", "no"), false),
        (error(401, "invalid_api_key", "no"), false),
    ] {
        let rig = rig(vec![reply]).await;
        rig.call(ask("/a/b")).await.unwrap_err();
        assert_eq!(rig.adapter.health_check().await.is_healthy(), well);
        assert_eq!(rig.adapter.initialize().await.is_ok(), well);
        assert_eq!(rig.paths().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_failed_stands_for_a_check_for_a_while() {
    let rig = rig(vec![Scripted::status(500).header("retry-after", "30")]).await;
    rig.call(ask("/a/b")).await.unwrap_err();
    let health = rig.adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert_eq!(
        health.error_message.as_deref(),
        Some("context7 fetch_context: the service failed (500)")
    );
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn every_state_of_the_service_has_its_health() {
    for (reply, status) in [
        (refused(), HealthStatus::Healthy),
        (found(), HealthStatus::Healthy),
        (error(422, "validation_error", "x"), HealthStatus::Healthy),
        (error(404, "no_libraries_found", "x"), HealthStatus::Healthy),
        (error(401, "invalid_api_key", "x"), HealthStatus::Unhealthy),
        (
            error(402, "spending_limit_exceeded", "x"),
            HealthStatus::Unhealthy,
        ),
        (
            error(429, "rate_limit_exceeded", "Monthly quota exceeded"),
            HealthStatus::Unhealthy,
        ),
        (
            error(429, "rate_limit_exceeded", "Slow down"),
            HealthStatus::Degraded,
        ),
        (Scripted::status(500), HealthStatus::Unhealthy),
        (Scripted::status(404), HealthStatus::Unhealthy),
        (
            Scripted::status(400)
                .header("content-type", "text/html")
                .body("<html>bad gateway request</html>"),
            HealthStatus::Unhealthy,
        ),
        (Scripted::close(), HealthStatus::Unhealthy),
    ] {
        let rig = rig_with(vec![reply], forgetful()).await;
        let health = rig.adapter.health_check().await;
        assert_eq!(health.status, status, "{health:?}");
        assert_eq!(
            health.error_message.is_some(),
            status != HealthStatus::Healthy
        );
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_unhealthy_before_a_call_would_time_out() {
    let rig = rig(vec![Scripted::hang()]).await;
    let check = rig.adapter.health_check();
    let health = tokio::time::timeout(Duration::from_secs(30), check)
        .await
        .expect("a check ends");
    assert_eq!(health.status, HealthStatus::Unhealthy);
    let message = format!("context7 health_check: no answer within {HEALTH_TIMEOUT:?}");
    assert_eq!(health.error_message.as_deref(), Some(message.as_str()));
}

#[tokio::test]
async fn health_comes_back_with_the_service() {
    let rig = rig_with(vec![Scripted::status(503), refused()], forgetful()).await;
    assert!(!rig.adapter.health_check().await.is_healthy());
    assert!(rig.adapter.health_check().await.is_healthy());
}

#[tokio::test]
async fn initializing_refuses_a_wrong_key_and_a_wrong_address_and_bears_an_outage() {
    for (reply, works) in [
        (refused(), true),
        (Scripted::status(503), true),
        (Scripted::close(), true),
        (Scripted::status(402), true),
        (error(401, "invalid_api_key", "x"), false),
        (
            Scripted::status(404)
                .header("content-type", "text/html")
                .body("<html>"),
            false,
        ),
    ] {
        let rig = rig(vec![reply]).await;
        let outcome = rig.adapter.initialize().await;
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
    }
}
