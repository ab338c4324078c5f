//! The trait itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use jiff::Timestamp;

/// Only what every adapter must say.
#[derive(Default)]
struct Least {
    capabilities: Capabilities,
}

#[async_trait]
impl ServiceAdapter for Least {
    fn name(&self) -> &'static str {
        "least"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn health_check(&self) -> ServiceHealth {
        ServiceHealth::new(HealthStatus::Healthy, Duration::ZERO, Timestamp::UNIX_EPOCH)
    }
}

#[tokio::test]
async fn the_least_adapter_can_be_shared_erased_and_moved_to_another_task() {
    let adapter: Arc<dyn ServiceAdapter> = Arc::new(Least::default());
    let checked = tokio::spawn({
        let adapter = Arc::clone(&adapter);
        async move {
            adapter.initialize().await?;
            let health = adapter.health_check().await;
            adapter.shutdown().await;
            Ok::<_, contexter_adapter::AdapterError>(health)
        }
    });
    assert!(checked.await.unwrap().unwrap().is_healthy());
    assert_eq!(adapter.snapshot(), AdapterSnapshot::default());
    assert_eq!(adapter.capabilities().names().count(), 0);
}
