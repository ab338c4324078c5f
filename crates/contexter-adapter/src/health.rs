//! Whether a service works.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How well a service works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It works with restrictions.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl HealthStatus {
    /// Returns the status as the specification spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of one health check.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_adapter::{HealthStatus, ServiceHealth};
/// use jiff::Timestamp;
///
/// let health = ServiceHealth::new(HealthStatus::Degraded, Duration::from_millis(250), Timestamp::now())
///     .with_detail("points", 1200)
///     .with_error("the collection is still being optimized");
/// assert!(!health.is_healthy());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceHealth {
    /// How well the service works.
    pub status: HealthStatus,
    /// How long the check took, in milliseconds.
    pub response_time_ms: f64,
    /// What else the service says about itself; no secrets.
    #[serde(default)]
    pub details: serde_json::Map<String, serde_json::Value>,
    /// When the check ended.
    pub timestamp: Timestamp,
    /// Why the service is not healthy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<String>,
}

impl ServiceHealth {
    /// Creates the result of a check that took `response_time` and ended at `timestamp`.
    #[must_use]
    pub fn new(status: HealthStatus, response_time: Duration, timestamp: Timestamp) -> Self {
        Self {
            status,
            response_time_ms: response_time.as_secs_f64() * 1e3,
            details: serde_json::Map::new(),
            timestamp,
            error_message: None,
        }
    }

    /// Adds one detail; a second value under the same key replaces the first.
    #[must_use]
    pub fn with_detail(
        mut self,
        key: impl Into<String>,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Says why the service is not healthy.
    #[must_use]
    pub fn with_error(mut self, message: impl Into<String>) -> Self {
        self.error_message = Some(message.into());
        self
    }

    /// Returns whether the service is healthy without restriction.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status == HealthStatus::Healthy
    }
}
