//! The section `services.qdrant`.

use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_model::{EnsureCollection, ErrorKind, ListAliases};
use contexter_qdrant::remote::{
    CollectionConfig, Config, Metric, QdrantAdapter, RemoteStore, RetryConfig, UploadConfig,
};
use contexter_resilience::StandardStack;
use contexter_service::Service;

use super::served::Served;
use crate::fixture::spec;

fn read(json: &str) -> Result<Config, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn every_setting_can_be_set_in_code() {
    let second = Duration::from_secs(1);
    let config = Config::new("k3y")
        .with_host("qdrant.internal")
        .with_port(7_334)
        .with_url("https://qdrant.example.com")
        .with_timeout(2 * second)
        .with_connect_timeout(3 * second)
        .with_connections(4)
        .with_ca_file("/etc/ca.pem")
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(5)
                .with_base_delay(6 * second)
                .with_max_delay(7 * second),
        )
        .with_collection_config(
            CollectionConfig::new()
                .with_vector_size(8)
                .with_distance_metric(Metric::Dot),
        )
        .with_upload(
            UploadConfig::new()
                .with_batch_points(9)
                .with_batch_bytes(10)
                .with_concurrency(11),
        )
        .with_optimize_timeout(12 * second)
        .with_snapshot_timeout(13 * second);
    config.validate().unwrap();
    let read = read(
        r#"{
            "api_key": "k3y",
            "host": "qdrant.internal",
            "port": 7334,
            "url": "https://qdrant.example.com",
            "timeout": 2,
            "connect_timeout": 3,
            "connections": 4,
            "ca_file": "/etc/ca.pem",
            "retry_config": { "max_attempts": 5, "base_delay": 6, "max_delay": 7 },
            "collection_config": { "vector_size": 8, "distance_metric": "Dot" },
            "upload": { "batch_points": 9, "batch_bytes": 10, "concurrency": 11 },
            "optimize_timeout": 12,
            "snapshot_timeout": 13
        }"#,
    )
    .unwrap();
    assert_eq!(format!("{config:?}"), format!("{read:?}"));
}

#[tokio::test]
async fn a_channel_of_the_callers_is_used_in_place_of_connections() {
    let served = Served::start().await;
    // Nothing listens where the configuration points, and the name is what errors tell.
    let config = served.config().with_url("http://localhost:9");
    let channel = tonic::transport::Endpoint::from_shared(served.url())
        .unwrap()
        .connect_lazy();
    let store = RemoteStore::with_channel(&config, channel.clone()).unwrap();
    assert!(store.call(ListAliases).await.unwrap().is_empty());

    let stack = StandardStack::new(config.stack()).unwrap();
    let adapter = QdrantAdapter::with_channel(config, channel, stack).unwrap();
    let health = adapter.health_check().await;
    assert!(health.is_healthy(), "{health:?}");
}

#[test]
fn the_names_of_the_specification_are_read() {
    let config = read(
        r#"{
            "host": "qdrant.internal",
            "port": 7334,
            "timeout": 2.5,
            "collection_config": { "vector_size": 384, "distance_metric": "cosine" },
            "retry_config": { "max_attempts": 7, "base_delay": 0.2, "max_delay": "9s" }
        }"#,
    )
    .unwrap();

    config.validate().unwrap();
    assert_eq!(config.endpoint(), "http://qdrant.internal:7334");
    assert_eq!(config.collection_config.vector_size, Some(384));
    assert_eq!(
        config.collection_config.distance_metric,
        Some(Metric::Cosine)
    );
    let stack = config.stack();
    assert_eq!(stack.attempt_timeout, Some(Duration::from_millis(4_500)));
    let retry = stack.retry.unwrap();
    assert_eq!(retry.max_attempts, 7);
    assert_eq!(retry.base_delay, Duration::from_millis(200));
    assert_eq!(retry.max_delay, Duration::from_secs(9));
}

#[test]
fn an_unknown_setting_is_an_error() {
    let error = read(r#"{ "hots": "x" }"#).unwrap_err().to_string();
    assert!(error.contains("hots") && error.contains("host"), "{error}");
    let error = read(r#"{ "collection_config": { "distance_metric": "hamming" } }"#).unwrap_err();
    assert!(
        error.to_string().contains("Cosine, Dot or Euclid"),
        "{error}"
    );
}

#[test]
fn an_address_gets_the_grpc_port() {
    for (url, endpoint) in [
        ("http://localhost", "http://localhost:6334"),
        (
            "https://abc.cloud.example/",
            "https://abc.cloud.example:6334",
        ),
        (
            "https://abc.cloud.example:443",
            "https://abc.cloud.example:443",
        ),
        ("http://[::1]", "http://[::1]:6334"),
        ("http://[::1]:7000", "http://[::1]:7000"),
    ] {
        let config = Config::default().with_url(url);
        assert_eq!(config.endpoint(), endpoint);
        config.validate().unwrap();
    }
}

#[test]
fn what_cannot_work_is_refused_all_at_once_and_without_secrets() {
    let secret = "key with spaces";
    let mut config = Config::default()
        .with_url("http://far.example")
        .with_api_key(secret);
    config.timeout = Duration::ZERO;
    config.connections = 0;
    config.upload.concurrency = 99;
    let text = config.validate().unwrap_err().to_string();
    for expected in [
        "url would send the key in clear text to far.example",
        "api_key must be visible ASCII",
        "timeout must be longer than zero",
        "connections must be 1 to 32, got 0",
        "upload.concurrency must be 1 to 32, got 99",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    assert!(!text.contains(secret), "{text}");

    for url in [
        "ftp://localhost",
        "localhost:6334",
        "http://user:p4ss@localhost",
        "http://localhost/path",
        "http://localhost:0",
        "http://local host",
    ] {
        let text = Config::default()
            .with_url(url)
            .validate()
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("must be http://HOST or https://HOST"),
            "{url}: {text}"
        );
        assert!(!text.contains("p4ss"), "{text}");
    }
    let rest = Config::default().with_url("http://localhost:6333");
    let text = rest.validate().unwrap_err().to_string();
    assert!(
        text.contains("6333, which is REST: gRPC is on 6334"),
        "{text}"
    );
}

#[tokio::test]
async fn an_adapter_of_a_wrong_configuration_is_refused() {
    let error = QdrantAdapter::new(Config::default().with_url("nonsense")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .starts_with("qdrant: invalid configuration: url"),
        "{error}"
    );
}

#[tokio::test]
async fn a_collection_that_the_configuration_does_not_expect_is_refused() {
    let served = Served::start().await;
    let mut config = served.config();
    config.collection_config.vector_size = Some(384);
    let store = RemoteStore::new(&config).unwrap();
    let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("3 dimensions"), "{error}");
    assert!(error.message().contains("vector_size 384"), "{error}");

    config.collection_config.vector_size = Some(3);
    config.collection_config.distance_metric = Some(Metric::Dot);
    let store = RemoteStore::new(&config).unwrap();
    let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert!(
        error.message().contains("Cosine") && error.message().contains("Dot"),
        "{error}"
    );
}
