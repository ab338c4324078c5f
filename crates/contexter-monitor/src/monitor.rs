//! Gathering the report.

use std::collections::BTreeMap;

use contexter_adapter::HealthStatus;
use contexter_event_bus::Bus;
use contexter_registry::{Registered, Registry};

use crate::report::{
    Alert, BreakerReport, DiscoveryReport, EventBusReport, HealthReport, Integrations,
    ServiceReport,
};

/// Reports the health of all integration points.
///
/// Cloning is cheap. A monitor keeps the registry and the bus alive.
#[derive(Clone, Debug)]
pub struct HealthMonitor {
    registry: Registry,
    event_bus: Option<Bus>,
}

impl HealthMonitor {
    /// Creates a monitor of the services in `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            event_bus: None,
        }
    }

    /// Adds the event bus to the report.
    #[must_use]
    pub fn with_event_bus(mut self, event_bus: Bus) -> Self {
        self.event_bus = Some(event_bus);
        self
    }

    /// Returns the report of this moment, from the last health checks.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        // One snapshot for everything, so that the parts of the report agree.
        let services = self.registry.adapters();
        let alerts: Vec<Alert> = services.iter().filter_map(alert).collect();
        HealthReport {
            overall_status: if alerts.is_empty() {
                HealthStatus::Healthy
            } else {
                HealthStatus::Degraded
            },
            integrations: Integrations {
                circuit_breakers: services.iter().filter_map(breaker).collect(),
                event_bus: self.event_bus.as_ref().map(event_bus),
                service_discovery: discovery(services.len(), alerts.len()),
            },
            services: services
                .into_iter()
                .map(service)
                .collect::<BTreeMap<_, _>>(),
            alerts,
        }
    }
}

fn service(service: Registered) -> (String, ServiceReport) {
    let report = ServiceReport {
        status: service.health.status,
        response_time_ms: service.health.response_time_ms,
        last_check: service.health.timestamp,
    };
    (service.name, report)
}

fn alert(service: &Registered) -> Option<Alert> {
    let health = &service.health;
    (!health.is_healthy()).then(|| Alert {
        service: service.name.clone(),
        status: health.status,
        message: health.error_message.clone(),
    })
}

fn breaker(service: &Registered) -> Option<(String, BreakerReport)> {
    let snapshot = service.adapter.snapshot();
    let report = BreakerReport {
        state: snapshot.breaker_state?,
        failure_count: snapshot.failure_count,
        last_failure: snapshot.last_failure,
    };
    Some((service.name.clone(), report))
}

fn event_bus(bus: &Bus) -> EventBusReport {
    let stats = bus.stats();
    EventBusReport {
        subscribers_count: stats.subscribers,
        event_store_size: stats.stored_events,
        last_event: stats.last_event,
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody registers 2^52 services")]
fn discovery(total: usize, unhealthy: usize) -> DiscoveryReport {
    let healthy = total.saturating_sub(unhealthy);
    DiscoveryReport {
        healthy_service_count: healthy,
        total_service_count: total,
        health_ratio: if total == 0 {
            0.0
        } else {
            healthy as f64 / total as f64
        },
    }
}
