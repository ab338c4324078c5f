//! What a stack tells about itself without any call.

use std::time::Duration;

use contexter_adapter::AdapterSnapshot;
use contexter_service::{BreakerState, PolicySnapshot};
use jiff::{SignedDuration, Timestamp};

/// The state of a stack's mechanisms at one moment.
///
/// It turns into the [`AdapterSnapshot`] that an adapter returns:
///
/// ```
/// use contexter_adapter::AdapterSnapshot;
/// use contexter_resilience::StandardStack;
///
/// let stack = StandardStack::default();
/// let snapshot: AdapterSnapshot = stack.snapshot().into();
/// assert_eq!(snapshot.breaker_state.as_deref(), Some("closed"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackSnapshot {
    /// The breaker's state; `None` without a breaker.
    pub breaker_state: Option<BreakerState>,
    /// Failures that the breaker counts at the moment.
    pub failure_count: u64,
    /// How long ago the breaker last counted a failure.
    pub last_failure: Option<Duration>,
    /// How long the last attempt took that was sent.
    pub last_operation: Option<Duration>,
    /// The mechanisms that keep state.
    pub policies: Vec<PolicySnapshot>,
}

impl StackSnapshot {
    pub(crate) fn new(breaker: Option<PolicySnapshot>, last_operation: Option<Duration>) -> Self {
        Self {
            breaker_state: breaker.as_ref().and_then(|breaker| breaker.state),
            failure_count: breaker
                .as_ref()
                .and_then(|breaker| breaker.counter("failures"))
                .unwrap_or(0),
            last_failure: breaker.as_ref().and_then(|breaker| breaker.last_failure),
            last_operation,
            policies: breaker.into_iter().collect(),
        }
    }
}

impl From<StackSnapshot> for AdapterSnapshot {
    fn from(snapshot: StackSnapshot) -> Self {
        let mut adapter = Self::default();
        adapter.breaker_state = snapshot
            .breaker_state
            .map(|state| state.as_str().to_owned());
        adapter.failure_count = snapshot.failure_count;
        adapter.last_failure = snapshot.last_failure.and_then(|ago| {
            let ago = SignedDuration::try_from(ago).ok()?;
            Timestamp::now().checked_sub(ago).ok()
        });
        adapter.last_operation = snapshot.last_operation;
        adapter
    }
}
