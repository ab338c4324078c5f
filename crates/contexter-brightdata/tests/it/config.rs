//! The section `services.brightdata`.

use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{BrightDataAdapter, Config, ProxyConfig, ProxyUser, WebLibrary};
use contexter_config::Loader;
use contexter_model::ErrorKind;

#[derive(Debug, serde::Deserialize)]
struct Root {
    brightdata: Config,
}

const YAML: &str = r#"
brightdata:
  api_key: brd-key-0123456789
  base_url: http://127.0.0.1:9
  zone: web_unlocker1
  serp_zone: serp_api1
  customer: hl_1
  country: de
  search_engine: bing
  timeout: 200
  retry_config: { max_attempts: 5, base_delay: 0.5, max_delay: "10s" }
  rate_limit: 600
  bills_failures: true
  debug: false
  max_body: 1000000
  poll_interval: "1s"
  proxy:
    host: 127.0.0.1
    port: 8118
    user: { customer: hl_1, zone: residential1, kind: residential, country: de, session: abc, const: true }
    password: proxy-password
    connect_timeout: "20s"
  libraries:
    - id: /web/book
      title: The Book
      format: html
      urls: ["https://example.org/a", "https://example.org/b"]
"#;

#[test]
fn every_setting_is_read() {
    let loaded = Loader::new()
        .defaults("sandbox.yaml", YAML)
        .load::<Root>()
        .unwrap();
    let config = loaded.current().brightdata.clone();
    config.validate().unwrap();
    let stack = config.stack();
    // With the minute that an attempt may wait for the budget.
    assert_eq!(stack.attempt_timeout, Some(Duration::from_secs(260)));
    let retry = stack.retry.unwrap();
    assert_eq!(retry.max_attempts, 5);
    assert_eq!(retry.base_delay, Duration::from_millis(500));
    assert_eq!(retry.max_delay, Duration::from_secs(10));
    assert_eq!(stack.rate_limit.unwrap().requests.unwrap().limit, 600);
    let adapter = BrightDataAdapter::new(config.clone()).unwrap();
    let names: Vec<_> = adapter.capabilities().names().collect();
    assert_eq!(
        names,
        [
            "datasets",
            "document_fetching",
            "fetch_page",
            "library_resolution",
            "proxy_fetch",
            "screenshot",
            "search_later",
            "search_results",
            "unlock_later",
            "unlock_page",
            "web_search",
        ]
    );
    let shown = format!("{config:?} {adapter:?}");
    for secret in ["brd-key-0123456789", "proxy-password", "hl_1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_defaults_are_those_of_the_preset_and_the_vendor() {
    let config = Config::new("key");
    let preset = contexter_resilience::StackConfig::bright_data();
    let timeout = preset.attempt_timeout.unwrap();
    assert_eq!(config.timeout, timeout);
    // A request has all of it, also after a minute's wait for the budget.
    let expected = preset
        .clone()
        .attempt_timeout(timeout + Duration::from_mins(1));
    assert_eq!(config.stack(), expected);
    // All calls at once may be refused: more would only wait for the budget while their time runs.
    let at_once = preset.bulkhead.map(|bulkhead| bulkhead.max_concurrent);
    assert_eq!(at_once, Some(contexter_brightdata::BUDGET));
    assert_eq!(config.base_url, "https://api.brightdata.com");
    let proxy = ProxyConfig::new(ProxyUser::new("a", "zone1"), "p");
    assert_eq!(
        (proxy.host.as_str(), proxy.port),
        ("brd.superproxy.io", 44_445)
    );
}

#[test]
fn all_faults_are_told_at_once_and_without_secrets() {
    let mut config = Config::new("")
        .with_zone("Bad-Zone")
        .with_serp_zone("_x_")
        .with_customer("a-b")
        .with_proxy(
            ProxyConfig::new(ProxyUser::new("c-d", "ok1").session("a-b"), "")
                .with_address("bad host", 0)
                .with_connect_timeout(Duration::ZERO)
                .with_diagnosis_url("https://example.org/"),
        )
        .with_libraries([
            WebLibrary::new(
                "/web/a".parse().unwrap(),
                ["https://127.0.0.1/", "https://a.org/"],
            ),
            WebLibrary::new(
                "/web/a".parse().unwrap(),
                [
                    "https://a.org/x",
                    "https://a.org/x/",
                    "https://a.org/y?k=1",
                    "https://a.org/y?k=2",
                ],
            ),
            WebLibrary::new("/web/b".parse().unwrap(), Vec::<String>::new()),
        ]);
    config.country = Some("DEU".to_owned());
    config.timeout = Duration::ZERO;
    config.rate_limit = Some(0);
    config.max_poll_interval = Duration::ZERO;
    let error = BrightDataAdapter::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let message = error.message();
    for fault in [
        "api_key is missing",
        "zone must be 3 to 63",
        "serp_zone must be 3 to 63",
        "customer must be letters, digits and underscores (it is not shown)",
        "country must be two lower-case letters, got \"DEU\"",
        "timeout must be longer than zero, got 0s",
        "rate_limit must be at least 1, got 0",
        "max_poll_interval must be at least poll_interval",
        "proxy.host must be a host name or an address, got \"bad host\"",
        "proxy.port must be 1 to 65535, got 0",
        "proxy.password is missing",
        "proxy.connect_timeout must be longer than zero, got 0s",
        "proxy.diagnosis_url must be an http:// address",
        "proxy.user.customer must be",
        "proxy.user.session must be",
        "libraries[0].urls [0]: 127.0.0.1 is not an address of the public internet",
        "libraries[1].urls [1] is there twice: https://a.org/x/",
        "libraries[1].id is there twice: /web/a",
        "libraries[2].urls must be 1 to",
    ] {
        assert!(message.contains(fault), "{fault}: {message}");
    }
    assert!(
        !message.contains("c-d") && !message.contains("a-b\" "),
        "{message}"
    );
}

#[test]
fn a_key_is_not_sent_in_the_clear() {
    let config = Config::new("k-123456").with_base_url("http://api.example.org");
    let error = BrightDataAdapter::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!format!("{error:?}").contains("k-123456"));
}

#[test]
fn a_certificate_that_cannot_be_read_is_told_when_the_adapter_is_made() {
    let user = ProxyUser::new("hl_1", "residential1");
    let mut proxy = ProxyConfig::new(user, "pw-123456");
    proxy.ca_file = Some("/nowhere/brightdata.crt".into());
    let error =
        BrightDataAdapter::new(Config::new("k-123456").with_proxy(proxy.clone())).unwrap_err();
    assert_eq!(
        error.message(),
        "proxy.ca_file /nowhere/brightdata.crt cannot be read"
    );
    proxy.ca_file = None;
    let error = BrightDataAdapter::new(Config::new("k-123456").with_proxy(proxy.with_ca("no pem")))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_zone_decides_what_the_adapter_can_do() {
    let bare = BrightDataAdapter::new(Config::new("k-123456")).unwrap();
    assert_eq!(
        bare.capabilities().names().collect::<Vec<_>>(),
        ["datasets"]
    );
    assert_eq!(bare.name(), "brightdata");
}
