//! Health that is asked for often does not ask the vendor as often.

use contexter_adapter::{HealthStatus, ServiceAdapter as _};
use contexter_brightdata::{BrightDataAdapter, Config, ProxyConfig, ProxyUser};
use contexter_model::{ErrorKind, FetchPage};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use super::fixture::{KEY, adapter, call, start};

fn zones() -> Scripted {
    Scripted::json(200, json!(["web_unlocker1", "serp_api1"]))
}

#[tokio::test]
async fn an_answer_stands_for_the_checks_after_it() {
    let (server, adapter) = start(vec![zones()]).await;
    adapter.initialize().await.unwrap();
    for _ in 0..20 {
        let health = adapter.health_check().await;
        assert!(health.is_healthy(), "{health:?}");
        assert_eq!(health.details["active_zones"], 2);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn checks_do_not_use_up_the_budget_of_refusals() {
    for wait in ["0", "60"] {
        let refused = Scripted::status(429).header("retry-after", wait);
        let (server, adapter) = start(vec![refused]).await;
        for _ in 0..20 {
            let health = adapter.health_check().await;
            assert_ne!(health.status, HealthStatus::Healthy);
        }
        assert_eq!(server.requests().len(), 1, "{wait}");
        assert_eq!(adapter.throttle_budget().left(), 7, "{wait}");
    }
}

#[tokio::test]
async fn nothing_is_asked_while_calls_wait() {
    let refused = Scripted::status(429).header("retry-after", "30");
    let server = ScriptedServer::start(vec![refused]).await;
    let config = super::fixture::config(&server);
    let adapter = super::fixture::with_stack(&config, super::fixture::quick().retry(None));
    call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        health.error_message.as_deref(),
        Some("refused for too many requests; nothing is sent for now")
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_well_again_is_found_out_soon() {
    let (server, adapter) = start(vec![Scripted::status(503), zones()]).await;
    assert_eq!(adapter.health_check().await.status, HealthStatus::Unhealthy);
    // For a second the failure stands.
    assert_eq!(adapter.health_check().await.status, HealthStatus::Unhealthy);
    let recovered = async {
        while !adapter.health_check().await.is_healthy() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::fixture::LIMIT, recovered)
        .await
        .expect("it is asked again");
    assert_eq!(server.requests().len(), 2);
}

fn by_proxy(server: &ScriptedServer) -> BrightDataAdapter {
    let address = server.address();
    let proxy = ProxyConfig::new(ProxyUser::new("hl_1", "residential1"), "pw-123456")
        .with_address(address.ip().to_string(), address.port());
    adapter(&Config::proxied(proxy))
}

#[tokio::test]
async fn a_proxy_alone_needs_no_key() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "welcome")]).await;
    let adapter = by_proxy(&server);
    let names: Vec<_> = adapter.capabilities().names().collect();
    assert_eq!(names, ["fetch_page", "proxy_fetch"]);
    adapter.initialize().await.unwrap();
    assert!(adapter.health_check().await.is_healthy());
    // By the proxy's own page for tests.
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "http://geo.brdtest.com/welcome.txt");
    let page = call(&adapter, FetchPage::new("http://example.org/")).await;
    assert_eq!(page.unwrap().text.trim(), "welcome");
    assert_eq!(server.requests()[1].header("authorization"), None);
    // What needs a key says so, and sends nothing.
    for error in [
        adapter.active_zones().await.unwrap_err(),
        adapter
            .fetch_records(&"s_1".parse().unwrap(), None, contexter_service::Cx::new())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), "no api_key is configured");
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_proxy_that_refuses_the_password_is_unhealthy() {
    let refused = Scripted::status(407).header("x-brd-err-code", "client_10000");
    let server = ScriptedServer::start(vec![refused]).await;
    let adapter = by_proxy(&server);
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    let message =
        "brightdata check_proxy: wrong customer id or password (client_10000, status 407)";
    assert_eq!(health.error_message.as_deref(), Some(message));
    assert_eq!(adapter.initialize().await.unwrap_err().to_string(), message);
}

#[test]
fn a_zone_beside_the_proxy_needs_the_key() {
    let proxy = || ProxyConfig::new(ProxyUser::new("hl_1", "residential1"), "pw-123456");
    for config in [
        Config::proxied(proxy()).with_zone("web_unlocker1"),
        Config::proxied(proxy()).with_serp_zone("serp_api1"),
        Config::default(),
    ] {
        let error = config.validate().unwrap_err();
        assert!(error.to_string().contains("api_key is missing"), "{error}");
    }
    Config::proxied(proxy()).validate().unwrap();
    let mut with_key = Config::proxied(proxy());
    with_key.api_key = Some(KEY.into());
    let adapter = BrightDataAdapter::new(with_key).unwrap();
    assert!(adapter.capabilities().contains("datasets"));
}
