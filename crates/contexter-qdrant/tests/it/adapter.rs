//! The store as the registry sees it.

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_model::{
    Count, Delete, EnsureCollection, Filter, Flush, Optimize, Query, Retrieve, Upsert,
};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::Service;
use serde_json::json;
use tempfile::tempdir;

use crate::fixture::{CHUNKS, point, spec};

async fn open(path: &std::path::Path) -> EmbeddedQdrant {
    let store = EmbeddedStore::open(path).await.unwrap();
    EmbeddedQdrant::new(store)
}

#[tokio::test]
async fn offers_storage_and_search_through_handles() {
    let folder = tempdir().unwrap();
    let qdrant = open(folder.path()).await;
    qdrant.initialize().await.unwrap();

    assert_eq!(qdrant.name(), "qdrant");
    let capabilities = qdrant.capabilities();
    let names: Vec<_> = capabilities.names().collect();
    assert_eq!(names, ["vector_search", "vector_storage"]);
    assert!(capabilities.handle::<Delete>().is_some());
    assert!(capabilities.handle::<Flush>().is_some());
    assert!(capabilities.handle::<Optimize>().is_some());
    assert!(capabilities.handle::<Query>().is_some());
    assert!(capabilities.handle::<Retrieve>().is_some());

    let ensure = capabilities.handle::<EnsureCollection>().unwrap();
    assert!(
        ensure
            .call(EnsureCollection(spec(3)))
            .await
            .unwrap()
            .created
    );
    let upsert = capabilities.handle::<Upsert>().unwrap();
    upsert
        .call(Upsert {
            collection: CHUNKS.into(),
            points: vec![point(1, &[1.0, 0.0, 0.0], &[], "a")],
        })
        .await
        .unwrap();
    let count = capabilities.handle::<Count>().unwrap();
    let counted = count
        .call(Count {
            collection: CHUNKS.into(),
            filter: Filter::all(),
        })
        .await
        .unwrap();
    assert_eq!(counted, 1);

    let health = qdrant.health_check().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!(health.details["points"], json!({"chunks": 1}));
}

#[tokio::test]
async fn is_unhealthy_after_the_shutdown() {
    let folder = tempdir().unwrap();
    let qdrant = open(folder.path()).await;
    qdrant.shutdown().await;

    let health = qdrant.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert!(health.error_message.unwrap().contains("was closed"));
    EmbeddedStore::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn searches_go_through_the_stack_and_changes_do_not() {
    let folder = tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    let stack = StandardStack::new(StackConfig::new().retry(None)).unwrap();
    let qdrant = EmbeddedQdrant::with_stack(store, stack);
    let ensure = qdrant.capabilities().handle::<EnsureCollection>().unwrap();
    ensure.call(EnsureCollection(spec(3))).await.unwrap();
    qdrant.shutdown().await;

    let flush = qdrant.capabilities().handle::<Flush>().unwrap();
    for _ in 0..5 {
        let collection = CHUNKS.into();
        flush.call(Flush { collection }).await.unwrap_err();
    }
    assert_eq!(qdrant.snapshot().breaker_state.as_deref(), Some("closed"));
    let count = qdrant.capabilities().handle::<Count>().unwrap();
    for _ in 0..5 {
        let request = Count {
            collection: CHUNKS.into(),
            filter: Filter::all(),
        };
        assert!(!count.call(request).await.unwrap_err().is_rejection());
    }
    let request = Count {
        collection: CHUNKS.into(),
        filter: Filter::all(),
    };
    assert!(count.call(request).await.unwrap_err().is_rejection());
    assert_eq!(qdrant.snapshot().breaker_state.as_deref(), Some("open"));
}
