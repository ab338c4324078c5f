//! What an adapter tells about itself without calling the service.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the mechanisms around a service, and its last operation.
///
/// # Examples
///
/// ```
/// use contexter_adapter::AdapterSnapshot;
///
/// let snapshot = AdapterSnapshot::default().with_breaker("open", 5, None);
/// assert_eq!(snapshot.breaker_state.as_deref(), Some("open"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdapterSnapshot {
    /// The breaker's state, such as `"closed"`; `None` without a breaker.
    pub breaker_state: Option<String>,
    /// Whether the breaker refuses every call now: unlike its state, this changes by itself when a
    /// break is over.
    #[serde(default)]
    pub refuses_calls: bool,
    /// Failures that the breaker counts at the moment.
    pub failure_count: u64,
    /// When the breaker last counted a failure.
    pub last_failure: Option<Timestamp>,
    /// How long the last call took.
    pub last_operation: Option<Duration>,
}

impl AdapterSnapshot {
    /// Sets the breaker's state, how many failures it counts, and when it last counted one.
    #[must_use]
    pub fn with_breaker(
        mut self,
        state: impl Into<String>,
        failure_count: u64,
        last_failure: Option<Timestamp>,
    ) -> Self {
        self.breaker_state = Some(state.into());
        self.failure_count = failure_count;
        self.last_failure = last_failure;
        self
    }

    /// Says whether the breaker refuses every call now.
    #[must_use]
    pub fn with_refusal(mut self, refuses_calls: bool) -> Self {
        self.refuses_calls = refuses_calls;
        self
    }

    /// Sets how long the last call took.
    #[must_use]
    pub fn with_last_operation(mut self, duration: Duration) -> Self {
        self.last_operation = Some(duration);
        self
    }
}
