//! The section of the configuration.

use std::time::Duration;

use contexter_limit::Quota;
use contexter_model::ErrorKind;
use contexter_voyage::{
    ATLAS_EU_URL, ATLAS_URL, ATLAS_US_URL, Config, Model, ModelKind, Tier, VOYAGE_URL,
    VoyageAdapter,
};

use crate::support::KEY;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_specification_s_names_are_read() {
    let config: Config = serde_json::from_str(
        r#"{
            "api_key": "al-eu-1",
            "base_url": "https://proxy.example.org/v1",
            "rate_limit": 300,
            "timeout": 12.5,
            "retry_config": { "max_attempts": 7, "base_delay": 0.25, "max_delay": 8.0 }
        }"#,
    )
    .unwrap();
    config.validate().unwrap();
    assert_eq!(config.endpoint(), "https://proxy.example.org/v1");
    let stack = config.stack();
    assert_eq!(stack.attempt_timeout, Some(SECOND * 25 / 2));
    let retry = stack.retry.unwrap();
    assert_eq!(retry.max_attempts, 7);
    assert_eq!(
        (retry.base_delay, retry.max_delay),
        (SECOND / 4, 8 * SECOND)
    );
    let quotas = stack.rate_limit.unwrap();
    assert_eq!(quotas.requests.map(|quota| quota.limit), Some(300));
    assert_eq!(quotas.tokens.map(|quota| quota.limit), Some(8_000_000));
    assert!(serde_json::from_str::<Config>(r#"{ "api_key": "pa-1", "timeuot": 1 }"#).is_err());
}

#[test]
fn the_prefix_of_the_key_says_the_host_and_a_base_url_wins() {
    for (key, url) in [
        ("pa-123", VOYAGE_URL),
        ("al-123", ATLAS_URL),
        ("al-us-123", ATLAS_US_URL),
        ("al-eu-123", ATLAS_EU_URL),
        ("al-usual", ATLAS_URL),
        ("other", VOYAGE_URL),
    ] {
        assert_eq!(Config::new(key).endpoint(), url, "{key}");
        let elsewhere = Config::new(key).with_base_url("http://127.0.0.1:1/v1");
        assert_eq!(elsewhere.endpoint(), "http://127.0.0.1:1/v1");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let mut config = Config::new("")
        .with_rate_limit(0)
        .with_token_limit(0)
        .with_timeout(Duration::ZERO)
        .with_model("rerank-3")
        .with_max_batch(1_001)
        .with_max_concurrent(0);
    config.rerank_model = "voyage-4".to_owned();
    config.context_model = String::new();
    let faults = config.validate().unwrap_err().to_string();
    for name in [
        "api_key",
        "rate_limit",
        "token_limit",
        "timeout",
        "model",
        "rerank_model",
        "context_model",
        "max_batch",
        "max_concurrent",
    ] {
        assert!(faults.contains(name), "{name}: {faults}");
    }
    let error = VoyageAdapter::new(config).unwrap_err();
    assert_eq!(
        (error.kind(), error.service()),
        (ErrorKind::Invalid, Some("voyage_ai"))
    );
}

#[test]
fn models_that_do_not_go_together_are_refused() {
    let refused = |config: Config| config.validate().unwrap_err().to_string();
    let message = refused(Config::new(KEY).with_query_model("voyage-3.5"));
    assert!(
        message.contains("must share the space of model \"voyage-4\""),
        "{message}"
    );
    let message = refused(Config::new(KEY).with_output_dimension(300));
    assert!(
        message.contains("[1024, 256, 512, 2048] for voyage-4, got 300"),
        "{message}"
    );
    let message = refused(Config::new(KEY).with_model("voyage-9"));
    assert!(message.contains("must be set for voyage-9"), "{message}");
    let known = Config::new(KEY)
        .with_model("voyage-9")
        .with_output_dimension(300);
    known.validate().unwrap();
    let large_and_lite = Config::new(KEY)
        .with_model("voyage-4-large")
        .with_query_model("voyage-4-lite");
    large_and_lite.validate().unwrap();
}

#[test]
fn a_call_has_time_for_its_turn_and_then_for_all_of_its_timeout() {
    for minutes in [1, 5, 30] {
        let timeout = Duration::from_mins(minutes);
        let stack = Config::new(KEY).with_timeout(timeout).stack();
        let (deadline, turn) = (stack.deadline.unwrap(), stack.rate_limit.unwrap().max_wait);
        assert_eq!(stack.attempt_timeout, Some(timeout));
        assert_eq!(turn + timeout, deadline);
        assert!(turn >= Duration::from_mins(4), "{turn:?}");
    }
}

#[test]
fn the_quotas_are_those_of_tier_and_model() {
    let limits = |tier, model: &str, kind| {
        let config = Config::new(KEY).with_tier(tier);
        let quotas = config
            .stack_of(&Model::named(model, kind))
            .rate_limit
            .unwrap();
        let limit = |quota: Option<Quota>| quota.unwrap().limit;
        (limit(quotas.requests), limit(quotas.tokens))
    };
    assert_eq!(
        limits(Tier::One, "voyage-4-large", ModelKind::Text),
        (2_000, 3_000_000)
    );
    assert_eq!(
        limits(Tier::Two, "voyage-4-lite", ModelKind::Text),
        (4_000, 32_000_000)
    );
    assert_eq!(
        limits(Tier::Three, "rerank-2.5", ModelKind::Rerank),
        (6_000, 6_000_000)
    );
    assert_eq!(
        limits(Tier::Unpaid, "voyage-4", ModelKind::Text),
        (3, 10_000)
    );
    for (word, tier) in [
        ("unpaid", Tier::Unpaid),
        ("tier_1", Tier::One),
        ("tier_2", Tier::Two),
        ("tier_3", Tier::Three),
    ] {
        let text = format!(r#"{{ "api_key": "pa-1", "tier": "{word}" }}"#);
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap().tier, tier);
    }
}

#[test]
fn a_text_of_the_model_s_length_always_fits_the_burst() {
    for model in Model::all() {
        for tier in [Tier::One, Tier::Two, Tier::Three] {
            let config = Config::new(KEY).with_tier(tier);
            let settings = config.stack_of(&model);
            settings.validate().unwrap();
            let burst = settings
                .rate_limit
                .unwrap()
                .tokens
                .unwrap()
                .effective_burst();
            assert!(burst >= model.context, "{} {tier:?}", model.name);
        }
    }
}

#[test]
fn the_table_holds_together() {
    for model in Model::all() {
        assert_eq!(Model::find(&model.name), Some(model.clone()));
        assert!(model.request_tokens >= model.context, "{}", model.name);
        assert!(
            model.tokens_per_minute >= model.request_tokens,
            "{}",
            model.name
        );
        assert_eq!(model.dimensions.is_empty(), model.kind == ModelKind::Rerank);
        assert_eq!(model.query_tokens > 0, model.kind == ModelKind::Rerank);
    }
    assert_eq!(Model::all().count(), 21);
}

#[test]
fn a_base_url_that_would_give_the_key_away_is_refused() {
    for url in [
        "http://example.org/v1",
        "ftp://example.org",
        "https://u:p@example.org/v1",
        "?",
    ] {
        let config = Config::new(KEY).with_base_url(url);
        let error = VoyageAdapter::new(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
    }
}
