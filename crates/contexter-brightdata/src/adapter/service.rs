//! The adapter as the registry sees it.

use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Clock as _, DefaultClock, Limited};
use jiff::Timestamp;

use super::BrightDataAdapter;
use super::pulse::HEALTH_KEPT;

/// How long a check of the service's health waits for an answer: 10 s. Listing the zones of an account
/// looks nothing up on the web.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// What a check has found.
enum Found {
    /// The active zones of the account.
    Zones(Vec<String>),
    /// The proxy, which lets us through.
    Proxy,
}

impl BrightDataAdapter {
    /// Asks for the active zones, or the proxy where there is nothing else, for as long as a check may
    /// take.
    async fn check(&self) -> Result<Found, Error> {
        let question = async {
            match &self.proxy {
                Some(proxy) if !self.has_key => proxy.check().await.map(|()| Found::Proxy),
                _ => self.active_zones().await.map(Found::Zones),
            }
        };
        let ended = tokio::time::timeout(HEALTH_TIMEOUT, question).await;
        ended.unwrap_or_else(|_elapsed| {
            let budget = &self.link.budget;
            let waits = !budget.pause_left().is_zero() || budget.under_way() >= budget.left();
            let error = if waits {
                Error::from(Limited { retry_after: None })
            } else {
                Error::new(
                    ErrorKind::Timeout,
                    format!("no answer within {HEALTH_TIMEOUT:?}"),
                )
            };
            let operation = if self.has_key {
                "active_zones"
            } else {
                "check_proxy"
            };
            Err(error.with_service(crate::NAME).with_operation(operation))
        })
    }

    /// Asks, keeps what was found, and tells it.
    async fn ask(&self) -> (ServiceHealth, Option<Error>) {
        let started = DefaultClock.now();
        let outcome = self.check().await;
        let took = DefaultClock.now().saturating_duration_since(started);
        let health = |status| ServiceHealth::new(status, took, Timestamp::now());
        let found = match outcome {
            // It was not sent, which tells nothing about the service.
            Err(error) if error.is_rejection() => {
                let health = health(HealthStatus::Degraded).with_error(error.to_string());
                return (health, Some(error));
            }
            Err(error) => {
                let health = health(HealthStatus::Unhealthy).with_error(error.to_string());
                // Each question that is refused for too many brings the vendor nearer to blocking us.
                let asked = match error.kind() {
                    ErrorKind::RateLimited => Some(HEALTH_KEPT),
                    _ => error.retry_after(),
                };
                self.pulse.failed(&health, asked);
                return (health, Some(error));
            }
            Ok(found) => found,
        };
        let health = match found {
            Found::Proxy => health(HealthStatus::Healthy),
            Found::Zones(active) => {
                let missing: Vec<&str> = self
                    .zones
                    .iter()
                    .filter(|zone| !active.contains(zone))
                    .map(String::as_str)
                    .collect();
                if missing.is_empty() {
                    health(HealthStatus::Healthy)
                } else {
                    health(HealthStatus::Degraded).with_error(format!(
                        "not among the active zones: {}",
                        missing.join(", ")
                    ))
                }
                .with_detail("active_zones", active.len())
            }
        };
        self.pulse.answered(&health);
        (health, None)
    }
}

#[async_trait]
impl ServiceAdapter for BrightDataAdapter {
    fn name(&self) -> &str {
        crate::NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks for the account's zones, which is free, and fails if the key is refused. The answer is waited
    /// for [`HEALTH_TIMEOUT`]. With a proxy and no key, asks the proxy for its page for tests.
    async fn initialize(&self) -> Result<(), AdapterError> {
        match self.ask().await.1 {
            Some(error) if error.kind() == ErrorKind::Unauthorized => Err(error.into()),
            // A service that is away for now may be back when it is needed.
            _ => Ok(()),
        }
    }

    /// Asks as [`initialize`](Self::initialize) does: degraded if a configured zone is not among the active
    /// ones, or if the vendor has refused for too many requests, so that calls wait.
    ///
    /// The vendor is not asked at every check: an answer stands for [`HEALTH_KEPT`], a failure for a
    /// second at first. While calls wait, nothing is asked at all.
    async fn health_check(&self) -> ServiceHealth {
        let budget = &self.link.budget;
        let health = if budget.left() == 0 || !budget.pause_left().is_zero() {
            // The question would not be sent either, which tells nothing about the service.
            ServiceHealth::new(HealthStatus::Degraded, Duration::ZERO, Timestamp::now())
                .with_error("refused for too many requests; nothing is sent for now")
        } else if let Some(kept) = self.pulse.kept() {
            kept
        } else {
            self.ask().await.0
        };
        health.with_detail("throttle_budget", budget.left())
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
