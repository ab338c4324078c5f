//! Why no service was chosen.

use contexter_adapter::HealthStatus::{Degraded, Healthy, Unhealthy};
use contexter_discovery::{Discovery, Reason};
use contexter_registry::Registry;

use crate::services::{Greet, greeter, health, mute};

#[tokio::test(start_paused = true)]
async fn an_empty_registry_is_named_as_the_reason() {
    let discovery = Discovery::new(Registry::new());
    let error = discovery.load_balanced("greeting").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no service for \"greeting\": none is registered"
    );
}

#[tokio::test(start_paused = true)]
async fn every_registered_service_is_listed_with_its_reason() {
    let registry = Registry::new();
    greeter(&registry, "a", health(Healthy, 1700)).await;
    greeter(
        &registry,
        "b",
        health(Unhealthy, 1).with_error("connection refused"),
    )
    .await;
    greeter(&registry, "c", health(Degraded, 1)).await;
    mute(&registry, "d", health(Healthy, 1)).await;
    let error = Discovery::new(registry)
        .load_balanced("greeting")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no service for \"greeting\": \
         a answers in 1700 ms, the limit is 1s; \
         b is unhealthy since 1970-01-01T00:00:00Z (connection refused); \
         c is degraded since 1970-01-01T00:00:00Z; \
         d does not have it",
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_service_says_cannot_break_the_line() {
    let registry = Registry::new();
    let torn = health(Unhealthy, 1).with_error("connection\nrefused\u{1b}[31m");
    greeter(&registry, "a", torn).await;
    let error = Discovery::new(registry).find::<Greet>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no service for \"greeting\": \
         a is unhealthy since 1970-01-01T00:00:00Z (connection\\nrefused\\u{1b}[31m)",
    );
}

#[tokio::test(start_paused = true)]
async fn a_capability_by_name_alone_gives_no_handle() {
    let registry = Registry::new();
    mute(&registry, "named", health(Healthy, 1)).await;
    mute(&registry, "other", health(Healthy, 1)).await;
    let discovery = Discovery::new(registry);
    discovery.register_capabilities("named", ["greeting"]);
    let error = discovery.find::<Greet>().unwrap_err();
    let reasons: Vec<_> = error
        .refused
        .iter()
        .map(|refused| &refused.reason)
        .collect();
    assert_eq!(reasons, [&Reason::NoHandle, &Reason::NoCapability]);
}
