//! The report as data, in the shape of the specification.

use std::collections::BTreeMap;

use contexter_adapter::HealthStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The health of all integration points at one moment.
///
/// Everything is in alphabetical order, so equal states give equal text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// `degraded` as soon as one service is not healthy, `healthy` otherwise.
    pub overall_status: HealthStatus,
    /// Each registered service by name.
    pub services: BTreeMap<String, ServiceReport>,
    /// What connects the services.
    pub integrations: Integrations,
    /// One entry for each service that is not healthy.
    pub alerts: Vec<Alert>,
}

/// The last health check of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceReport {
    /// How well the service works.
    pub status: HealthStatus,
    /// How long the check took, in milliseconds.
    pub response_time_ms: f64,
    /// When the check ended.
    pub last_check: Timestamp,
}

/// The health of what connects the services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Integrations {
    /// The breaker of each service that has one.
    pub circuit_breakers: BTreeMap<String, BreakerReport>,
    /// The event bus, if the monitor was given one.
    pub event_bus: Option<EventBusReport>,
    /// How many services can be discovered.
    pub service_discovery: DiscoveryReport,
}

/// The circuit breaker of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BreakerReport {
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Failures that the breaker counts at the moment.
    pub failure_count: u64,
    /// When it last counted one.
    pub last_failure: Option<Timestamp>,
}

/// The event bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventBusReport {
    /// How many subscriptions there are.
    pub subscribers_count: usize,
    /// How many events are stored for replay.
    pub event_store_size: usize,
    /// When the last published event happened.
    pub last_event: Option<Timestamp>,
}

/// How many services can be discovered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiscoveryReport {
    /// How many services are healthy.
    pub healthy_service_count: usize,
    /// How many services are registered.
    pub total_service_count: usize,
    /// The share of healthy services, from 0 to 1; 0 without any service.
    pub health_ratio: f64,
}

/// A service that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// The service's name.
    pub service: String,
    /// How well it works instead.
    pub status: HealthStatus,
    /// What it reported.
    pub message: Option<String>,
}
