//! The adapter as the registry sees it.

use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::ErrorKind;
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Clock as _, DefaultClock};
use jiff::Timestamp;

use super::BrightDataAdapter;

#[async_trait]
impl ServiceAdapter for BrightDataAdapter {
    fn name(&self) -> &str {
        crate::NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks for the account's zones, which is free, and fails if the key is refused.
    async fn initialize(&self) -> Result<(), AdapterError> {
        match self.active_zones().await {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Err(error.into()),
            // A service that is away for now may be back when it is needed.
            _ => Ok(()),
        }
    }

    /// Asks for the account's zones, which is free: degraded if a configured zone is not among them, or
    /// if the vendor has refused for too many requests so often that calls wait.
    async fn health_check(&self) -> ServiceHealth {
        let started = DefaultClock.now();
        let budget = self.link.budget.left();
        if budget == 0 {
            // The question would not be sent either, which tells nothing about the service.
            let took = DefaultClock.now().saturating_duration_since(started);
            return ServiceHealth::new(HealthStatus::Degraded, took, Timestamp::now())
                .with_error("refused for too many requests; nothing is sent for now")
                .with_detail("throttle_budget", budget);
        }
        let outcome = self.active_zones().await;
        let took = DefaultClock.now().saturating_duration_since(started);
        let health = |status| ServiceHealth::new(status, took, Timestamp::now());
        let budget = self.link.budget.left();
        let health = match outcome {
            Err(error) => health(HealthStatus::Unhealthy).with_error(error.to_string()),
            Ok(active) => {
                let missing: Vec<&str> = self
                    .zones
                    .iter()
                    .filter(|zone| !active.contains(zone))
                    .map(String::as_str)
                    .collect();
                if !missing.is_empty() {
                    health(HealthStatus::Degraded).with_error(format!(
                        "not among the active zones: {}",
                        missing.join(", ")
                    ))
                } else if budget == 0 {
                    health(HealthStatus::Degraded)
                        .with_error("refused for too many requests; nothing is sent for now")
                } else {
                    health(HealthStatus::Healthy)
                }
                .with_detail("active_zones", active.len())
            }
        };
        health.with_detail("throttle_budget", budget)
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.link.stack.snapshot().into()
    }
}

impl ResilientAdapter for BrightDataAdapter {
    fn stack(&self) -> &StandardStack {
        &self.link.stack
    }
}
