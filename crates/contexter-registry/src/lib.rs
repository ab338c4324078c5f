//! Service adapters by name, with background health checks.
//!
//! A [`Registry`] owns the adapters of a process. Registering one initializes and checks it, so its
//! health is known from the first moment; from then on it is checked again and again, and readers
//! see the last result without waiting. [`Registry::shutdown`] ends every adapter within a deadline,
//! and dropping the last clone of the registry stops all checks.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
//! use contexter_registry::Registry;
//! use jiff::Timestamp;
//!
//! #[derive(Default)]
//! struct Clockwork {
//!     capabilities: Capabilities,
//! }
//!
//! #[async_trait::async_trait]
//! impl ServiceAdapter for Clockwork {
//!     fn name(&self) -> &str {
//!         "clockwork"
//!     }
//!     fn capabilities(&self) -> &Capabilities {
//!         &self.capabilities
//!     }
//!     async fn health_check(&self) -> ServiceHealth {
//!         ServiceHealth::new(HealthStatus::Healthy, Duration::from_millis(2), Timestamp::now())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.register(Arc::new(Clockwork::default())).await?;
//! assert_eq!(registry.healthy(), ["clockwork"]);
//! assert!(registry.get("clockwork").is_ok());
//! registry.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | `ServiceIntegrationRegistry` | [`Registry`] |
//! | `register_service` | [`Registry::register`] |
//! | `get_service` | [`Registry::get`] |
//! | `ServiceNotFoundError` | [`ServiceNotFound`] |
//! | `get_healthy_services` | [`Registry::healthy`] |
//! | `get_service_health` | [`Registry::health`] |
//! | `health_check_interval` | [`Settings::interval`] |
//! | `_health_check_loop` | one check loop for each service, owned by the registry |
//! | `shutdown` | [`Registry::shutdown`] |

mod check;
mod error;
mod registry;
mod settings;
mod watched;

pub use error::{
    DeregisterError, RegisterError, ServiceNotFound, ShutdownError, ShutdownFailure, ShutdownReason,
};
pub use registry::Registry;
pub use settings::{InvalidSettings, Settings};
pub use watched::Registered;
