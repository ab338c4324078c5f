//! Keys, and what health says of them.

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_model::{EnsureCollection, ErrorKind, ListAliases};
use contexter_qdrant::remote::{Config, QdrantAdapter, RemoteStore};
use contexter_service::Service;

use super::served::{KEY, Served};
use crate::fixture::spec;

#[tokio::test]
async fn a_healthy_server_is_described() {
    let served = Served::start().await;
    let adapter = served.adapter();
    adapter.initialize().await.unwrap();

    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Healthy, "{health:?}");
    assert_eq!(health.details["version"], "1.20");
    assert_eq!(health.details["url"], served.url());
    assert_eq!(health.details["collections"], 0);
    assert!(!format!("{health:?}").contains(KEY));
}

#[tokio::test]
async fn health_also_checks_the_key() {
    let served = Served::start().await;
    let wrong = "wrong-key-9876543210";
    for config in [
        Config::default().with_url(served.url()),
        Config::default().with_url(served.url()).with_api_key(wrong),
    ] {
        let adapter = QdrantAdapter::new(config).unwrap();
        let health = adapter.health_check().await;
        assert_eq!(health.status, HealthStatus::Unhealthy);
        let message = health.error_message.unwrap();
        assert!(
            message.contains("the server does not accept the api_key"),
            "{message}"
        );
        assert!(!message.contains(wrong), "{message}");
        let error = adapter.initialize().await.unwrap_err();
        assert!(error.to_string().contains("api_key"), "{error}");
    }
}

#[tokio::test]
async fn a_read_only_key_may_not_write() {
    let served = Served::start().await;
    let config = Config::default()
        .with_url(served.url())
        .with_api_key("read-only-key");
    let store = RemoteStore::new(&config).unwrap();
    assert_eq!(store.call(ListAliases).await.unwrap(), []);

    let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.message().contains("does not permit it"), "{error}");
}

#[tokio::test]
async fn the_key_is_in_no_debug_output() {
    let served = Served::start().await;
    let config = served.config();
    let adapter = served.adapter();
    for text in [
        format!("{config:?}"),
        format!("{adapter:?}"),
        format!("{:?}", adapter.store()),
        format!("{:?}", served.server),
    ] {
        assert!(!text.contains(KEY), "{text}");
    }
}
