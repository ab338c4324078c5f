//! The health report of all integration points.
//!
//! A [`HealthMonitor`] gathers what the registry, the adapters' breakers and the event bus already
//! know. Making a report calls no service and waits for nothing. A [`HealthReport`] is a serde
//! structure for programs, and its `Display` is a table for people.
//!
//! ```
//! use contexter_monitor::HealthMonitor;
//! use contexter_registry::Registry;
//!
//! let monitor = HealthMonitor::new(Registry::new());
//! let report = monitor.report();
//! assert_eq!(report.integrations.service_discovery.total_service_count, 0);
//! println!("{report}");
//! ```
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | `IntegrationHealthMonitor` | [`HealthMonitor`] |
//! | `monitor_integration_health` | [`HealthMonitor::report`] |
//! | `_check_circuit_breakers` | [`Integrations::circuit_breakers`] |
//! | `_check_event_bus` | [`Integrations::event_bus`] |
//! | `_check_service_discovery` | [`Integrations::service_discovery`] |
//! | the report's keys | the fields of [`HealthReport`], by the same names |

mod monitor;
mod report;
mod table;

pub use monitor::HealthMonitor;
pub use report::{
    Alert, BreakerReport, DiscoveryReport, EventBusReport, HealthReport, Integrations,
    ServiceReport,
};
