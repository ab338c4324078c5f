//! Services whose health a test sets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_registry::Registry;
use contexter_service::{Capability, Service};
use jiff::Timestamp;
use parking_lot::Mutex;

/// The verb of `greeting`: the reply is the name of the service that was called.
pub(crate) struct Greet;

impl Capability for Greet {
    const NAME: &'static str = "greeting";
    type Response = &'static str;
    type Error = Infallible;
}

struct Polite(&'static str);

impl Service<Greet> for Polite {
    type Response = &'static str;
    type Error = Infallible;

    async fn call(&self, _: Greet) -> Result<&'static str, Infallible> {
        Ok(self.0)
    }
}

/// The state of a breaker that a test sets; none at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker(Arc<Mutex<AdapterSnapshot>>);

impl Breaker {
    pub(crate) fn set(&self, state: &str, refuses_calls: bool, last_failure: Option<Timestamp>) {
        *self.0.lock() = AdapterSnapshot::default()
            .with_breaker(state, 5, last_failure)
            .with_refusal(refuses_calls);
    }
}

struct Fixed {
    name: &'static str,
    capabilities: Capabilities,
    health: ServiceHealth,
    breaker: Breaker,
}

#[async_trait]
impl ServiceAdapter for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn health_check(&self) -> ServiceHealth {
        self.health.clone()
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.breaker.0.lock().clone()
    }
}

pub(crate) fn health(status: HealthStatus, response_time_ms: u64) -> ServiceHealth {
    let at = Timestamp::UNIX_EPOCH;
    ServiceHealth::new(status, Duration::from_millis(response_time_ms), at)
}

/// Registers a service that can greet, and returns its breaker.
pub(crate) async fn greeter(
    registry: &Registry,
    name: &'static str,
    health: ServiceHealth,
) -> Breaker {
    let capabilities = Capabilities::new().with::<Greet>(Polite(name));
    register(registry, name, capabilities, health).await
}

/// Registers a service that says of nothing that it can do it.
pub(crate) async fn mute(registry: &Registry, name: &'static str, health: ServiceHealth) {
    register(registry, name, Capabilities::new(), health).await;
}

async fn register(
    registry: &Registry,
    name: &'static str,
    capabilities: Capabilities,
    health: ServiceHealth,
) -> Breaker {
    let breaker = Breaker::default();
    let adapter = Fixed {
        name,
        capabilities,
        health,
        breaker: breaker.clone(),
    };
    let registered = registry.register(Arc::new(adapter)).await;
    assert!(registered.is_ok(), "{registered:?}");
    breaker
}
