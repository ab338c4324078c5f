//! The store as the registry sees it.

use std::error::Error as _;
use std::sync::Arc;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{
    Count, Delete, DropAlias, DropCollection, EnsureCollection, Flush, FusedQuery, ListAliases,
    Optimize, Query, Retrieve, Scroll, SwitchAlias, Upsert,
};
use contexter_resilience::{ResilientAdapter, StandardStack};
use jiff::Timestamp;

use super::fault::SERVICE;
use super::search::{self, Passes};
use super::store::EmbeddedStore;

/// An [`EmbeddedStore`] under the name `qdrant`, with the capabilities `vector_storage` and
/// `vector_search`.
///
/// The stack goes around what reads: `Query`, `FusedQuery`, `Retrieve`, `Scroll` and `Count`. Changes go to the store
/// directly. They wait for one another, behind an `Optimize` for minutes, so a time limit would give
/// up work that still happens; and a breaker that a full disk opened must not keep a `Flush` or a
/// search from what still works.
///
/// # Examples
///
/// ```
/// use contexter_adapter::ServiceAdapter;
/// use contexter_model::Query;
/// use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), contexter_model::Error> {
/// # let folder = tempfile::tempdir().unwrap();
/// let qdrant = EmbeddedQdrant::new(EmbeddedStore::open(folder.path()).await?);
/// assert_eq!(qdrant.name(), "qdrant");
/// assert!(qdrant.capabilities().handle::<Query>().is_some());
/// assert!(qdrant.health_check().await.is_healthy());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EmbeddedQdrant {
    store: EmbeddedStore,
    stack: StandardStack,
    capabilities: Capabilities,
}

impl EmbeddedQdrant {
    /// Presents `store`, with the default stack around its searches.
    #[must_use]
    pub fn new(store: EmbeddedStore) -> Self {
        Self::with_stack(store, StandardStack::default())
    }

    /// Presents `store`, with `stack` around its searches.
    #[must_use]
    pub fn with_stack(store: EmbeddedStore, stack: StandardStack) -> Self {
        let capabilities = Capabilities::new()
            .with::<EnsureCollection>(store.clone())
            .with::<Upsert>(store.clone())
            .with::<Flush>(store.clone())
            .with::<Optimize>(store.clone())
            .with::<Delete>(store.clone())
            .with::<SwitchAlias>(store.clone())
            .with::<DropAlias>(store.clone())
            .with::<ListAliases>(store.clone())
            .with::<DropCollection>(store.clone())
            .with::<Count>(stack.service(store.clone()))
            .with::<Query>(stack.service(store.clone()))
            .with::<FusedQuery>(stack.service(store.clone()))
            .with::<Scroll>(stack.service(store.clone()))
            .with::<Retrieve>(stack.service(store.clone()));
        Self {
            store,
            stack,
            capabilities,
        }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &EmbeddedStore {
        &self.store
    }
}

#[async_trait]
impl ServiceAdapter for EmbeddedQdrant {
    fn name(&self) -> &str {
        SERVICE
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Counts the points of every collection.
    ///
    /// Unhealthy if a count fails; degraded while a collection waits to be reopened after a failed
    /// change. The details hold the path and the counts by collection.
    async fn health_check(&self) -> ServiceHealth {
        let started = tokio::time::Instant::now();
        let mut status = HealthStatus::Healthy;
        let mut errors = Vec::new();
        let mut points = serde_json::Map::new();
        for collection in self.store.open_collections() {
            if let Some(failure) = collection.failure() {
                status = HealthStatus::Degraded;
                errors.push(failure);
            }
            let name = collection.spec().name.clone();
            let count = self
                .store
                .search(Arc::clone(&collection), "count points of", |shard| {
                    search::count(shard, Passes::All)
                })
                .await;
            match count {
                Ok(count) => {
                    points.insert(name, count.into());
                }
                Err(error) => {
                    status = HealthStatus::Unhealthy;
                    errors.push(match error.source() {
                        Some(cause) => format!("{error}: {cause}"),
                        None => error.to_string(),
                    });
                }
            }
        }
        if self.store.is_closed() {
            status = HealthStatus::Unhealthy;
            errors.push(format!("{} was closed", self.store.path().display()));
        }
        let health = ServiceHealth::new(status, started.elapsed(), Timestamp::now())
            .with_detail("path", self.store.path().display().to_string())
            .with_detail("points", points);
        if errors.is_empty() {
            health
        } else {
            health.with_error(errors.join("; "))
        }
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }

    async fn shutdown(&self) {
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "store closed without its last changes");
        }
    }
}

impl ResilientAdapter for EmbeddedQdrant {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}
