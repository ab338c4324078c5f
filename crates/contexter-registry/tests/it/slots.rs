//! The limit over the first checks of services.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
use contexter_registry::{Registry, Settings};
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::scripted::{Does, Gauge, Scripted};

fn one_at_once() -> Registry {
    Registry::with_settings(Settings::default().with_concurrency(1)).unwrap()
}

fn slow(name: &'static str) -> Scripted {
    Scripted::new(name).on_check(Does::Takes(Duration::from_secs(5)))
}

#[tokio::test(start_paused = true)]
async fn first_checks_count_towards_the_limit() {
    let registry = one_at_once();
    let gauge = Arc::new(Gauge::default());
    let register = |name| registry.register(Arc::new(slow(name).gauged(&gauge)));
    let started = Instant::now();
    let (a, b, c) = tokio::join!(register("a"), register("b"), register("c"));
    a.and(b).and(c).unwrap();
    assert_eq!(gauge.most(), 1);
    assert_eq!(started.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_registration_dropped_in_its_first_check_or_before_it_leaves_the_slot_free() {
    let registry = one_at_once();
    let dropped = async {
        tokio::join!(
            registry.register(Arc::new(slow("checked"))),
            registry.register(Arc::new(slow("waiting"))),
        )
    };
    assert!(timeout(Duration::from_secs(1), dropped).await.is_err());

    let started = Instant::now();
    for name in ["checked", "waiting"] {
        registry.register(Arc::new(slow(name))).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

/// A service whose check registers and checks another one.
struct Host {
    name: String,
    registry: Registry,
    capabilities: Capabilities,
}

#[async_trait]
impl ServiceAdapter for Host {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn health_check(&self) -> ServiceHealth {
        let guest = Arc::new(Scripted::new("guest"));
        let registered = self.registry.register(guest).await;
        let checked = self.registry.check("guest").await;
        let is_healthy = registered.is_ok() && checked.is_ok_and(|health| health.is_healthy());
        let status = if is_healthy {
            HealthStatus::Healthy
        } else {
            HealthStatus::Unhealthy
        };
        ServiceHealth::new(status, Duration::ZERO, Timestamp::now())
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_registers_and_checks_a_service_does_not_wait_for_its_own_slot() {
    let registry = one_at_once();
    let host = Host {
        name: "host".to_owned(),
        registry: registry.clone(),
        capabilities: Capabilities::new(),
    };
    registry.register(Arc::new(host)).await.unwrap();
    assert_eq!(registry.healthy(), ["guest", "host"]);

    registry.deregister("guest").await.unwrap();
    assert!(registry.check("host").await.unwrap().is_healthy());
}
