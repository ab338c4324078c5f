//! What an adapter tells about itself without calling the service.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the mechanisms around a service, and its last operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdapterSnapshot {
    /// The breaker's state, such as `"closed"`; `None` without a breaker.
    pub breaker_state: Option<String>,
    /// Failures that the breaker counts at the moment.
    pub failure_count: u64,
    /// When the breaker last counted a failure.
    pub last_failure: Option<Timestamp>,
    /// How long the last call took.
    pub last_operation: Option<Duration>,
}
