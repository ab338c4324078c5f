//! The lifecycle, health and capabilities of an external service.

mod adapter;
mod capabilities;
mod health;
mod snapshot;

pub use adapter::{AdapterError, ServiceAdapter};
pub use capabilities::Capabilities;
pub use health::{HealthStatus, ServiceHealth};
pub use snapshot::AdapterSnapshot;
