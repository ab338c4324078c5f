//! Health: free of charge, and about the account.

use contexter_adapter::{HealthStatus, ServiceAdapter as _};
use contexter_brightdata::HEALTH_TIMEOUT;
use contexter_testkit::Scripted;
use serde_json::json;

use super::fixture::{LIMIT, start};

#[tokio::test]
async fn an_account_with_its_zones_is_healthy() {
    let zones = json!([{ "name": "web_unlocker1", "type": "unblocker" }, "serp_api1"]);
    let (server, adapter) = start(vec![Scripted::json(200, zones)]).await;
    let health = adapter.health_check().await;
    assert!(health.is_healthy(), "{health:?}");
    assert_eq!(health.details["active_zones"], 2);
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("GET", "/zone/get_active_zones")
    );
    assert_eq!(adapter.usage().requests, 0);
}

#[tokio::test]
async fn a_missing_zone_degrades_and_is_named() {
    let (_server, adapter) =
        start(vec![Scripted::json(200, json!([{ "name": "serp_api1" }]))]).await;
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        health.error_message.as_deref(),
        Some("not among the active zones: web_unlocker1")
    );
}

#[tokio::test]
async fn a_refused_key_is_unhealthy_and_keeps_the_adapter_from_starting() {
    let refused = Scripted::text(401, "Auth method is not supported");
    let (_server, adapter) = start(vec![refused]).await;
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    let message = "brightdata active_zones: the api key is not valid (status 401)";
    assert_eq!(health.error_message.as_deref(), Some(message));
    assert_eq!(adapter.initialize().await.unwrap_err().to_string(), message);
}

#[tokio::test]
async fn trouble_that_may_pass_does_not_keep_the_adapter_from_starting() {
    let (_server, adapter) = start(vec![Scripted::status(503)]).await;
    adapter.initialize().await.unwrap();
    assert_eq!(adapter.health_check().await.status, HealthStatus::Unhealthy);
}

#[tokio::test]
async fn a_check_ends_before_a_call_would_time_out() {
    let (_server, adapter) = start(vec![Scripted::hang()]).await;
    let check = adapter.health_check();
    let health = tokio::time::timeout(LIMIT, check).await.unwrap();
    assert_eq!(health.status, HealthStatus::Unhealthy);
    let message = format!("brightdata active_zones: no answer within {HEALTH_TIMEOUT:?}");
    assert_eq!(health.error_message.as_deref(), Some(message.as_str()));
}
