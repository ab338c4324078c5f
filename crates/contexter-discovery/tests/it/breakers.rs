//! Services whose breakers refuse every call.

use contexter_adapter::HealthStatus::{Healthy, Unhealthy};
use contexter_discovery::{Discovery, Reason};
use contexter_registry::Registry;
use jiff::Timestamp;

use crate::services::{Greet, greeter, health};

fn found(discovery: &Discovery) -> String {
    discovery.find::<Greet>().unwrap().0
}

#[tokio::test(start_paused = true)]
async fn calls_leave_a_service_for_as_long_as_its_breaker_refuses_them() {
    let registry = Registry::new();
    let breaker = greeter(&registry, "fast", health(Healthy, 1)).await;
    greeter(&registry, "slow", health(Healthy, 20)).await;
    let discovery = Discovery::new(registry);
    for (state, refuses, expected) in [
        ("closed", false, "fast"),
        ("open", true, "slow"),
        // Its break is over, or it only says what it would do.
        ("open", false, "fast"),
        ("half_open", false, "fast"),
    ] {
        breaker.set(state, refuses, None);
        assert_eq!(found(&discovery), expected, "{state}");
        assert_eq!(discovery.load_balanced("greeting").unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_named_as_the_reason() {
    let registry = Registry::new();
    let failed = greeter(&registry, "a", health(Healthy, 1)).await;
    let isolated = greeter(&registry, "b", health(Healthy, 1)).await;
    let unwell = greeter(&registry, "c", health(Unhealthy, 1)).await;
    let at = Timestamp::UNIX_EPOCH;
    failed.set("open", true, Some(at));
    isolated.set("open", true, None);
    unwell.set("open", true, Some(at));
    let discovery = Discovery::new(registry);
    let error = discovery.load_balanced("greeting").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no service for \"greeting\": \
         a has an open breaker, its last failure was at 1970-01-01T00:00:00Z; \
         b has an open breaker; \
         c is unhealthy since 1970-01-01T00:00:00Z",
    );
    let last_failure = Some(at);
    assert_eq!(
        error.refused[0].reason,
        Reason::BreakerOpen { last_failure }
    );
    assert_eq!(found(&discovery), "a", "it may have answers kept");
}
