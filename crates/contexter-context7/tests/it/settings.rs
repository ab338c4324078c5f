//! What can be set, and how a mistake is told.

use std::time::Duration;

use contexter_config::Loader;
use contexter_context7::{
    CacheSettings, Config, Context7Adapter, DEFAULT_BASE_URL, DEFAULT_TOPICS, DocsConfig,
};

#[derive(Debug, serde::Deserialize)]
struct Services {
    context7: Config,
}

fn load(yaml: &str) -> Result<Config, String> {
    Loader::new()
        .defaults("app.yaml", yaml)
        .load::<Services>()
        .map(|loaded| loaded.current().context7.clone())
        .map_err(|error| error.to_string())
}

#[test]
fn a_section_of_the_configuration_is_read_with_its_defaults() {
    let config = load(
        "context7:\n  api_key: ctx7sk-x\n  base_url: http://127.0.0.1:9/api\n  timeout: 2.5\n  \
         rate_limit: 90\n  retry_config: { max_attempts: 5, base_delay: 0.5, max_delay: \"8s\" }\n  \
         max_retry_after: \"2m\"\n  cache: { fresh_for: \"1h\" }\n  docs: { topics: [a, b], max_tokens: 900 }\n",
    )
    .unwrap();
    assert_eq!(config.base_url, "http://127.0.0.1:9/api");
    assert_eq!(config.timeout, Duration::from_millis(2_500));
    assert_eq!(config.rate_limit, Some(90));
    assert_eq!(config.retry_config.max_attempts, Some(5));
    assert_eq!(
        config.retry_config.base_delay,
        Some(Duration::from_millis(500))
    );
    assert_eq!(config.retry_config.max_delay, Some(Duration::from_secs(8)));
    assert_eq!(config.max_retry_after, Duration::from_mins(2));
    let cache = config.cache.unwrap();
    assert_eq!(cache.fresh_for, Duration::from_hours(1));
    assert_eq!(cache.max_kib, CacheSettings::new().max_kib);
    assert_eq!(config.docs.topics, ["a", "b"]);
    assert_eq!(config.docs.max_tokens, Some(900));

    let bare = load("context7: {}").unwrap();
    assert_eq!(bare.base_url, DEFAULT_BASE_URL);
    assert!(bare.api_key.is_none());
    assert_eq!(bare.docs.topics, DEFAULT_TOPICS);
    assert!(bare.validate().is_ok());
    assert_eq!(load("context7: { cache: null }").unwrap().cache, None);
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let error = load("context7: { api_keys: x }").unwrap_err();
    assert!(error.contains("context7.api_keys"), "{error}");
    let error = load("context7: { docs: { topic: x } }").unwrap_err();
    assert!(error.contains("context7.docs.topic"), "{error}");
}

#[test]
fn every_fault_is_told_at_once() {
    let mut config = Config::new("")
        .with_base_url("ftp://x")
        .with_timeout(Duration::ZERO)
        .with_rate_limit(0)
        .with_cache(CacheSettings::new().with_fresh_for(Duration::ZERO))
        .with_docs(DocsConfig::new().with_topics(["a", " "]).with_max_tokens(0))
        .with_health_interval(Duration::ZERO);
    config.retry_config.max_attempts = Some(0);
    let faults = config.validate().unwrap_err();
    let fields: Vec<_> = faults
        .faults()
        .iter()
        .map(|fault| fault.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "api_key",
            "base_url",
            "timeout",
            "rate_limit",
            "retry_config.max_attempts",
            "cache.fresh_for",
            "docs.topics",
            "docs.max_tokens",
            "health_interval",
        ]
    );
    assert!(Context7Adapter::new(config).is_err());
    for topics in [vec![], vec!["t".to_owned(); 65], vec!["t".repeat(501)]] {
        let config = Config::default().with_docs(DocsConfig::new().with_topics(topics));
        assert!(config.validate().is_err());
    }
}

#[test]
fn a_base_url_with_more_than_an_address_is_refused() {
    for url in [
        "https://user:pass@context7.com/api",
        "https://context7.com/api?x=1",
        "https://context7.com/api#x",
    ] {
        let error = Context7Adapter::new(Config::default().with_base_url(url)).unwrap_err();
        assert!(!error.to_string().contains("pass@"), "{error}");
    }
    let slash = Config::default().with_base_url("https://context7.com/api/");
    assert!(Context7Adapter::new(slash).is_ok());
}
