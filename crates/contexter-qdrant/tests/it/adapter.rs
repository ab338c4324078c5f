//! The store as the registry sees it.

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_model::{
    Count, Delete, EnsureCollection, Filter, Flush, Optimize, Query, Retrieve, Upsert,
};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_service::Service;
use serde_json::json;
use tempfile::tempdir;

use crate::fixture::{CHUNKS, point, spec};

#[tokio::test]
async fn offers_storage_and_search_through_handles() {
    let folder = tempdir().unwrap();
    let qdrant = EmbeddedQdrant::new(EmbeddedStore::open(folder.path()).await.unwrap());
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
    let qdrant = EmbeddedQdrant::new(EmbeddedStore::open(folder.path()).await.unwrap());
    qdrant.shutdown().await;

    let health = qdrant.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert!(health.error_message.unwrap().contains("was closed"));
    EmbeddedStore::open(folder.path()).await.unwrap();
}
