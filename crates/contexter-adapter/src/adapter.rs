//! The lifecycle of an external service.

use async_trait::async_trait;

use crate::{AdapterSnapshot, Capabilities, ServiceHealth};

/// Any error of an adapter's lifecycle.
pub type AdapterError = Box<dyn std::error::Error + Send + Sync>;

/// An external service as the registry sees it.
///
/// The trait is object-safe and off the hot path: calls go through the handles of
/// [`capabilities`](Self::capabilities).
#[async_trait]
pub trait ServiceAdapter: Send + Sync {
    /// Returns the name under which the service is registered, such as `"voyage_ai"`.
    fn name(&self) -> &str;

    /// Returns what the service can do, with the handles to have it done.
    fn capabilities(&self) -> &Capabilities;

    /// Prepares the service: opens, connects, verifies.
    ///
    /// # Behavior
    ///
    /// Called once, before any call through a handle. Calling it again is harmless.
    ///
    /// # Errors
    ///
    /// Whatever keeps the service from working; it is then not registered.
    async fn initialize(&self) -> Result<(), AdapterError> {
        Ok(())
    }

    /// Checks whether the service works now.
    ///
    /// # Behavior
    ///
    /// Never fails: an error is an unhealthy result. The caller bounds its time.
    async fn health_check(&self) -> ServiceHealth;

    /// Ends the service cleanly. Calls that are under way may fail.
    async fn shutdown(&self) {}

    /// Returns the state of the mechanisms around the service, without any call to it.
    fn snapshot(&self) -> AdapterSnapshot {
        AdapterSnapshot::default()
    }
}
