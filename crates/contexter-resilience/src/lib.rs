//! The standard resilience stack built from one configuration.
//!
//! A [`StandardStack`] is one concrete type: breaker, deadline, retry, hedge, rate limit, bulkhead,
//! adaptive limit and attempt timeout, each of which may be off, in the order that [`Scope`] says. [`StandardStack::run`] puts it around an
//! operation, [`StandardStack::service`] around a whole service.
//!
//! # Examples
//!
//! An adapter registers its services with the stack around them:
//!
//! ```
//! use contexter_adapter::Capabilities;
//! use contexter_model::Error;
//! use contexter_resilience::{StackConfig, StandardStack};
//! use contexter_service::{Capability, Service};
//!
//! #[derive(Clone)]
//! struct Greet(&'static str);
//!
//! impl Capability for Greet {
//!     const NAME: &'static str = "greeting";
//!     type Response = String;
//!     type Error = Error;
//! }
//!
//! struct Polite;
//!
//! impl Service<Greet> for Polite {
//!     type Response = String;
//!     type Error = Error;
//!
//!     async fn call(&self, req: Greet) -> Result<String, Error> {
//!         Ok(format!("good day, {}", req.0))
//!     }
//! }
//!
//! let stack = StandardStack::new(StackConfig::new())?.named("polite");
//! let capabilities = Capabilities::new().with::<Greet>(stack.service(Polite));
//! # Ok::<(), contexter_service::InvalidConfig>(())
//! ```
//!
//! # The specification's names
//!
//! | in the specification | here |
//! |---|---|
//! | `CircuitBreaker` | [`contexter_breaker::Breaker`] |
//! | `CircuitBreaker(failure_threshold, recovery_timeout, success_threshold)` | [`contexter_breaker::Config`] |
//! | `CircuitBreaker(timeout)` | [`BreakerConfig::timeout`] |
//! | `CircuitBreaker.call` | [`Breaker::call`](contexter_breaker::Breaker::call) |
//! | `CircuitBreaker.failure_count`, `.last_failure_time`, `.state` | [`Breaker::failure_count`](contexter_breaker::Breaker::failure_count), [`last_failure`](contexter_breaker::Breaker::last_failure), [`state`](contexter_breaker::Breaker::state) |
//! | `CircuitBreaker.success_count` | the counter `successes` of [`Breaker::snapshot`](contexter_breaker::Breaker::snapshot) |
//! | `CircuitState` | [`contexter_service::BreakerState`] |
//! | `CircuitBreakerOpenError` | [`contexter_service::Open`], with the remaining time |
//! | `CircuitBreakerTimeoutError` | [`contexter_service::Elapsed`] |
//! | `RetryConfig` | [`contexter_retry::Config`], and [`RetryConfig`] where a service's section lays its own over a preset |
//! | `RetryConfig(retryable_exceptions)` | [`Retry::classify_by`](contexter_retry::Retry::classify_by): any [`Classify`](contexter_service::Classify) |
//! | `retry_with_backoff` | [`contexter_retry::retry_with_backoff`] |
//! | `retry_context`, `RetryContext` | [`contexter_retry::RetryContext`] |
//! | `ServiceAdapter(circuit_breaker, retry_config)` | [`ResilientAdapter::stack`] |
//! | `ServiceAdapter.execute_with_resilience` | [`ResilientAdapter::execute_with_resilience`] |

mod adapter;
mod cached;
pub mod coming_from;
mod config;
mod error;
mod guarded;
mod keyed;
mod measure;
mod parts;
mod presets;
mod pristine;
mod retry_config;
mod sign;
mod snapshot;
mod stack;
#[cfg(feature = "tower")]
mod tower;

pub use adapter::ResilientAdapter;
pub use cached::Cached;
pub use config::{BreakerConfig, Scope, StackConfig};
pub use error::{Error, UnlessRejected};
pub use guarded::Guarded;
pub use keyed::Keyed;
pub use pristine::Pristine;
pub use retry_config::RetryConfig;
pub use snapshot::StackSnapshot;
pub use stack::StandardStack;
