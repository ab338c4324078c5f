//! Finds a healthy service by capability and picks the fastest.
//!
//! A [`Discovery`] looks at the health that the registry remembers and at breakers, so asking costs
//! no call to any service. Ask by name, or by request type to get a handle to call:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
//! use contexter_discovery::Discovery;
//! use contexter_registry::Registry;
//! use contexter_service::{Capability, Service};
//! use jiff::Timestamp;
//!
//! struct Greet(&'static str);
//!
//! impl Capability for Greet {
//!     const NAME: &'static str = "greeting";
//!     type Response = String;
//!     type Error = std::convert::Infallible;
//! }
//!
//! struct Polite;
//!
//! impl Service<Greet> for Polite {
//!     type Response = String;
//!     type Error = std::convert::Infallible;
//!
//!     async fn call(&self, req: Greet) -> Result<String, Self::Error> {
//!         Ok(format!("good day, {}", req.0))
//!     }
//! }
//!
//! struct Butler(Capabilities);
//!
//! #[async_trait::async_trait]
//! impl ServiceAdapter for Butler {
//!     fn name(&self) -> &str {
//!         "butler"
//!     }
//!     fn capabilities(&self) -> &Capabilities {
//!         &self.0
//!     }
//!     async fn health_check(&self) -> ServiceHealth {
//!         ServiceHealth::new(HealthStatus::Healthy, Duration::from_millis(3), Timestamp::now())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let butler = Butler(Capabilities::new().with::<Greet>(Polite));
//! registry.register(Arc::new(butler)).await?;
//!
//! let discovery = Discovery::new(registry);
//! assert_eq!(discovery.discover("greeting").as_deref(), Some("butler"));
//! let (name, greeter) = discovery.find::<Greet>()?;
//! assert_eq!(name, "butler");
//! assert_eq!(greeter.call(Greet("Ada")).await?, "good day, Ada");
//! # Ok(())
//! # }
//! ```
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | `ServiceDiscovery` | [`Discovery`] |
//! | `register_capabilities` | [`Discovery::register_capabilities`], for what an adapter does not say itself |
//! | `discover_service_for_capability` | [`Discovery::discover`]; with a typed handle [`Discovery::find`] |
//! | `get_load_balanced_service` | [`Discovery::load_balanced`] |

mod discovery;
mod error;

pub use discovery::{Discovery, MAX_RESPONSE_TIME};
pub use error::{NoService, Reason, Refused};
