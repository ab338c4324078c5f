//! What the health report says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::HealthStatus::{self, Degraded, Healthy, Unhealthy};
use contexter_adapter::{AdapterSnapshot, Capabilities, ServiceAdapter, ServiceHealth};
use contexter_event_bus::{Bus, BusConfig};
use contexter_monitor::{HealthMonitor, HealthReport};
use contexter_protocol::ProtocolHandler;
use contexter_protocol::rag::DocumentProcessed;
use contexter_registry::Registry;
use jiff::Timestamp;
use serde_json::json;

struct Fixed {
    name: &'static str,
    capabilities: Capabilities,
    health: ServiceHealth,
    snapshot: AdapterSnapshot,
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
        self.snapshot.clone()
    }
}

fn health(status: HealthStatus, response_time_ms: u64) -> ServiceHealth {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    ServiceHealth::new(status, Duration::from_millis(response_time_ms), at)
}

fn breaker(state: &str, failures: u64) -> AdapterSnapshot {
    let last_failure = (failures > 0).then_some(Timestamp::UNIX_EPOCH);
    AdapterSnapshot::default().with_breaker(state, failures, last_failure)
}

async fn register(
    registry: &Registry,
    name: &'static str,
    health: ServiceHealth,
    snapshot: AdapterSnapshot,
) {
    let adapter = Fixed {
        name,
        capabilities: Capabilities::new(),
        health,
        snapshot,
    };
    registry.register(Arc::new(adapter)).await.unwrap();
}

async fn mixed() -> Registry {
    let registry = Registry::new();
    let refused = health(Unhealthy, 1500).with_error("connection refused");
    register(&registry, "voyage_ai", refused, breaker("open", 5)).await;
    register(
        &registry,
        "qdrant",
        health(Healthy, 2),
        breaker("closed", 0),
    )
    .await;
    let slow = health(Degraded, 40);
    register(&registry, "documents", slow, AdapterSnapshot::default()).await;
    registry
}

#[tokio::test(start_paused = true)]
async fn the_report_has_the_shape_of_the_specification() {
    let monitor = HealthMonitor::new(mixed().await).with_event_bus(Bus::new(&BusConfig::default()));
    let report = monitor.report();
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        json!({
            "overall_status": "degraded",
            "services": {
                "documents": {
                    "status": "degraded",
                    "response_time_ms": 40.0,
                    "last_check": "2023-11-14T22:13:20Z",
                },
                "qdrant": {
                    "status": "healthy",
                    "response_time_ms": 2.0,
                    "last_check": "2023-11-14T22:13:20Z",
                },
                "voyage_ai": {
                    "status": "unhealthy",
                    "response_time_ms": 1500.0,
                    "last_check": "2023-11-14T22:13:20Z",
                },
            },
            "integrations": {
                "circuit_breakers": {
                    "qdrant": {"state": "closed", "failure_count": 0, "last_failure": null},
                    "voyage_ai": {
                        "state": "open",
                        "failure_count": 5,
                        "last_failure": "1970-01-01T00:00:00Z",
                    },
                },
                "event_bus": {
                    "subscribers_count": 0,
                    "event_store_size": 0,
                    "last_event": null,
                },
                "service_discovery": {
                    "healthy_service_count": 1,
                    "total_service_count": 3,
                    "health_ratio": 1.0 / 3.0,
                },
            },
            "alerts": [
                {"service": "documents", "status": "degraded", "message": null},
                {
                    "service": "voyage_ai",
                    "status": "unhealthy",
                    "message": "connection refused",
                },
            ],
        }),
    );
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<HealthReport>(&text).unwrap(), report);
    assert_eq!(serde_json::to_string(&monitor.report()).unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn without_services_all_is_well_and_nothing_is_found() {
    let report = HealthMonitor::new(Registry::new()).report();
    assert_eq!(report.overall_status, Healthy);
    assert!(report.integrations.service_discovery.health_ratio.abs() < f64::EPSILON);
    assert!(report.integrations.event_bus.is_none());
    assert_eq!(
        report.to_string(),
        "overall: healthy\nservices: 0 of 0 healthy"
    );
}

#[tokio::test(start_paused = true)]
async fn a_recovered_service_raises_no_alert() {
    let registry = mixed().await;
    registry.deregister("voyage_ai").await.unwrap();
    registry.deregister("documents").await.unwrap();
    let report = HealthMonitor::new(registry).report();
    assert_eq!(report.overall_status, Healthy);
    assert!(report.alerts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_bus_is_counted() {
    let bus = Bus::new(&BusConfig::default());
    let monitor = HealthMonitor::new(Registry::new()).with_event_bus(bus.clone());
    let payload = DocumentProcessed {
        library_id: "tokio".to_owned(),
        document_count: 1,
        processing_time_seconds: 0.5,
    };
    let event = ProtocolHandler::new("document_processor")
        .unwrap()
        .create_event(&payload, None)
        .unwrap();
    let at = event.time();
    bus.publish(event).await.unwrap();
    let reported = monitor.report().integrations.event_bus.unwrap();
    assert_eq!(reported.event_store_size, 1);
    assert_eq!(reported.last_event, at);
}

#[tokio::test(start_paused = true)]
async fn the_table_is_for_people() {
    let registry = mixed().await;
    let nasty = health(Unhealthy, 7).with_error("first line\nsecond \u{1b}[31mline");
    register(&registry, "nasty", nasty, breaker("half_open", 1)).await;
    let monitor = HealthMonitor::new(registry).with_event_bus(Bus::new(&BusConfig::default()));
    let expected = "\
overall: degraded

SERVICE    STATUS     RESPONSE  LAST CHECK            BREAKER
documents  degraded      40 ms  2023-11-14T22:13:20Z  none
nasty      unhealthy    7.0 ms  2023-11-14T22:13:20Z  half_open, 1 failure
qdrant     healthy      2.0 ms  2023-11-14T22:13:20Z  closed
voyage_ai  unhealthy   1500 ms  2023-11-14T22:13:20Z  open, 5 failures

services: 1 of 4 healthy
event bus: 0 subscribers, 0 events stored
alert: documents is degraded
alert: nasty is unhealthy: first line\\nsecond \\u{1b}[31mline
alert: voyage_ai is unhealthy: connection refused";
    assert_eq!(monitor.report().to_string(), expected);
}
