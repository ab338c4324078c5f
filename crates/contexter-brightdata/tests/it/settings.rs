//! Settings made in code.

use std::time::Duration;

use contexter_brightdata::{BrightDataAdapter, Config, Engine, RetryConfig};
use contexter_http::Proxy;
use contexter_model::FetchPage;
use contexter_resilience::StandardStack;
use contexter_testkit::{Scripted, ScriptedServer};

use super::fixture::{KEY, call, config, quick};

#[test]
fn every_setting_can_be_set_in_code() {
    let second = Duration::from_secs(1);
    let retry = RetryConfig::default()
        .with_max_attempts(5)
        .with_base_delay(second)
        .with_max_delay(9 * second);
    let config = Config::new(KEY)
        .with_base_url("https://api.example.org")
        .with_zone("web_unlocker1")
        .with_serp_zone("serp_api1")
        .with_customer("hl_1")
        .with_country("de")
        .with_search_engine(Engine::Bing)
        .with_timeout(200 * second)
        .with_retry_config(retry)
        .with_rate_limit(600)
        .with_bills_failures(true)
        .with_debug(false)
        .with_max_body(1_000)
        .with_max_snapshot(2_000)
        .with_poll_interval(second)
        .with_max_poll_interval(3 * second);
    config.validate().unwrap();
    let read: Config = serde_json::from_value(serde_json::json!({
        "api_key": KEY,
        "base_url": "https://api.example.org",
        "zone": "web_unlocker1",
        "serp_zone": "serp_api1",
        "customer": "hl_1",
        "country": "de",
        "search_engine": "bing",
        "timeout": 200,
        "retry_config": { "max_attempts": 5, "base_delay": 1, "max_delay": 9 },
        "rate_limit": 600,
        "bills_failures": true,
        "debug": false,
        "max_body": 1_000,
        "max_snapshot": 2_000,
        "poll_interval": 1,
        "max_poll_interval": 3,
    }))
    .unwrap();
    assert_eq!(format!("{config:?}"), format!("{read:?}"));
}

#[tokio::test]
async fn calls_go_by_the_client_that_is_given() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "page")]).await;
    let settings = contexter_http::Config::default().user_agent("somebody/1");
    let http = contexter_http::Client::new(&settings).unwrap();
    let stack = StandardStack::new(quick()).unwrap();
    let adapter = BrightDataAdapter::builder()
        .stack(stack)
        .http(http)
        .build(config(&server))
        .unwrap();
    call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap();
    assert_eq!(
        server.requests()[0].header("user-agent"),
        Some("somebody/1")
    );
}

#[tokio::test]
async fn no_password_of_the_client_that_is_given_is_repeated() {
    const PASSWORD: &str = "proxy-passw0rd";

    let texts = [PASSWORD, "proxy_passw0rd", "PROXY%2Dpassw0rd"];
    let script = texts
        .map(|text| Scripted::text(400, format!("no {text}, go")).header("x-brd-error-code", text));
    let server = ScriptedServer::start(script.into()).await;
    let proxy = Proxy::new("http://127.0.0.1:9")
        .unwrap()
        .basic_auth("user", PASSWORD)
        .except("127.0.0.1");
    let settings = contexter_http::Config::default().proxy(proxy);
    let http = contexter_http::Client::new(&settings).unwrap();
    let stack = StandardStack::new(quick()).unwrap();
    let adapter = BrightDataAdapter::builder()
        .stack(stack)
        .http(http)
        .build(config(&server))
        .unwrap();
    for text in texts {
        let failed = call(&adapter, FetchPage::new("https://example.org/")).await;
        let shown = format!("{:?}", failed.unwrap_err());
        assert!(
            !shown.to_lowercase().contains("passw0rd"),
            "{text}: {shown}"
        );
    }
}
