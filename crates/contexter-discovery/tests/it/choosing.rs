//! Which service is chosen.

use std::time::Duration;

use contexter_adapter::HealthStatus::{Degraded, Healthy, Unhealthy};
use contexter_discovery::Discovery;
use contexter_registry::Registry;
use contexter_service::Service;

use crate::services::{Greet, greeter, health, mute};

#[tokio::test(start_paused = true)]
async fn discover_takes_the_first_healthy_service_by_name() {
    let registry = Registry::new();
    greeter(&registry, "c_fast", health(Healthy, 1)).await;
    greeter(&registry, "b_slow", health(Healthy, 5000)).await;
    greeter(&registry, "a_down", health(Unhealthy, 1)).await;
    let discovery = Discovery::new(registry);
    assert_eq!(discovery.discover("greeting").as_deref(), Some("b_slow"));
    assert_eq!(discovery.discover("cooking"), None);
}

#[tokio::test(start_paused = true)]
async fn load_goes_to_the_fastest_healthy_service_under_the_limit() {
    let registry = Registry::new();
    greeter(&registry, "a", health(Healthy, 30)).await;
    greeter(&registry, "b", health(Healthy, 20)).await;
    greeter(&registry, "c", health(Degraded, 5)).await;
    mute(&registry, "d", health(Healthy, 1)).await;
    let discovery = Discovery::new(registry.clone());
    assert_eq!(discovery.load_balanced("greeting").unwrap(), "b");

    registry.deregister("b").await.unwrap();
    assert_eq!(discovery.load_balanced("greeting").unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn the_limit_itself_is_too_slow_and_can_be_moved() {
    let registry = Registry::new();
    greeter(&registry, "a", health(Healthy, 1000)).await;
    let strict = Discovery::new(registry);
    assert!(strict.load_balanced("greeting").is_err());
    let patient = strict.with_max_response_time(Duration::from_millis(1001));
    assert_eq!(patient.load_balanced("greeting").unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn equally_fast_services_are_taken_by_name() {
    let registry = Registry::new();
    for name in ["b", "c", "a"] {
        greeter(&registry, name, health(Healthy, 20)).await;
    }
    let discovery = Discovery::new(registry);
    for _ in 0..20 {
        assert_eq!(discovery.load_balanced("greeting").unwrap(), "a");
        assert_eq!(discovery.find::<Greet>().unwrap().0, "a");
    }
}

#[tokio::test(start_paused = true)]
async fn find_gives_the_handle_of_the_service_it_names() {
    let registry = Registry::new();
    greeter(&registry, "a", health(Healthy, 30)).await;
    greeter(&registry, "b", health(Healthy, 20)).await;
    let (name, handle) = Discovery::new(registry).find::<Greet>().unwrap();
    assert_eq!(name, "b");
    assert_eq!(handle.call(Greet).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn find_prefers_a_slow_service_to_none() {
    let registry = Registry::new();
    greeter(&registry, "slow", health(Healthy, 1500)).await;
    greeter(&registry, "slower", health(Healthy, 2500)).await;
    let discovery = Discovery::new(registry);
    assert_eq!(discovery.find::<Greet>().unwrap().0, "slow");
}

#[tokio::test(start_paused = true)]
async fn capabilities_can_be_added_by_name_before_or_after_the_service() {
    let registry = Registry::new();
    let discovery = Discovery::new(registry.clone());
    let clone = discovery.clone();
    clone.register_capabilities("qdrant", ["vector_storage", "vector_search"]);
    assert_eq!(discovery.discover("vector_search"), None);

    mute(&registry, "qdrant", health(Healthy, 1)).await;
    assert_eq!(
        discovery.discover("vector_search").as_deref(),
        Some("qdrant")
    );
    assert_eq!(discovery.load_balanced("vector_storage").unwrap(), "qdrant");

    discovery.register_capabilities("qdrant", ["vector_storage"]);
    assert_eq!(clone.discover("vector_search"), None);
}
