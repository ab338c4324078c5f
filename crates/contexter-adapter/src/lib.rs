//! The lifecycle, health and capabilities of an external service.
//!
//! A [`ServiceAdapter`] stands for one service: it maps the vendor's protocol to the requests of the
//! model, and knows no retry, breaker or limit. The registry initializes, checks and ends it; calls
//! go through the typed handles of its [`Capabilities`].
//!
//! ```
//! use std::time::Duration;
//!
//! use contexter_adapter::{
//!     AdapterError, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
//! };
//! use contexter_service::{Capability, Service};
//! use jiff::Timestamp;
//!
//! /// Asks for the sum of two numbers.
//! struct Add(i64, i64);
//!
//! impl Capability for Add {
//!     const NAME: &'static str = "addition";
//!     type Response = i64;
//!     type Error = std::convert::Infallible;
//! }
//!
//! struct Engine;
//!
//! impl Service<Add> for Engine {
//!     type Response = i64;
//!     type Error = std::convert::Infallible;
//!
//!     async fn call(&self, req: Add) -> Result<i64, Self::Error> {
//!         Ok(req.0.saturating_add(req.1))
//!     }
//! }
//!
//! struct Calculator {
//!     capabilities: Capabilities,
//! }
//!
//! #[async_trait::async_trait]
//! impl ServiceAdapter for Calculator {
//!     fn name(&self) -> &str {
//!         "calculator"
//!     }
//!
//!     fn capabilities(&self) -> &Capabilities {
//!         &self.capabilities
//!     }
//!
//!     async fn health_check(&self) -> ServiceHealth {
//!         ServiceHealth::new(HealthStatus::Healthy, Duration::ZERO, Timestamp::now())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), AdapterError> {
//! let calculator = Calculator {
//!     capabilities: Capabilities::new().with::<Add>(Engine),
//! };
//! let add = calculator.capabilities().handle::<Add>().ok_or("no such ability")?;
//! assert_eq!(add.call(Add(2, 3)).await?, 5);
//! # Ok(())
//! # }
//! ```
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | `ServiceHealth` and its fields | [`ServiceHealth`], the same fields |
//! | its `status` | [`HealthStatus`]: `healthy`, `degraded`, `unhealthy` |
//! | `ServiceAdapter` | [`ServiceAdapter`] |
//! | `service_name` | [`ServiceAdapter::name`] |
//! | `initialize`, `health_check`, `shutdown` | the same names; `initialize` says why it failed |
//! | `config` | each adapter's own typed configuration |
//! | `circuit_breaker` | [`ServiceAdapter::snapshot`] shows its state; the mechanism is not part of the adapter |
//! | `retry_config`, `execute_with_resilience` | of the stack around the adapter, in `contexter-resilience` |

mod adapter;
mod capabilities;
mod health;
mod snapshot;

pub use adapter::{AdapterError, ServiceAdapter};
pub use capabilities::Capabilities;
pub use health::{HealthStatus, ServiceHealth};
pub use snapshot::AdapterSnapshot;
