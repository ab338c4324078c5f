//! What a stack tells about itself without any call.

use std::time::Duration;

use contexter_adapter::AdapterSnapshot;
use contexter_breaker::Breaker;
use contexter_limit::{AdaptiveLimit, Bulkhead, RateLimiter};
use contexter_retry::{Hedge, Retry};
use contexter_service::{BreakerState, PolicySnapshot, Switch, Timer};
use contexter_timeout::Timeout;
use jiff::{SignedDuration, Timestamp};

use crate::parts::Parts;

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
    /// Whether the breaker refuses every call now.
    pub refuses_calls: bool,
    /// Failures that the breaker counts at the moment.
    pub failure_count: u64,
    /// How long ago the breaker last counted a failure.
    pub last_failure: Option<Duration>,
    /// How long the last attempt took that was sent.
    pub last_operation: Option<Duration>,
    /// The mechanisms that are on, the breaker first.
    pub policies: Vec<PolicySnapshot>,
}

impl StackSnapshot {
    pub(crate) fn of<T: Timer, K>(parts: &Parts<T, K>, last_operation: Option<Duration>) -> Self {
        fn on<P>(
            part: &Switch<P>,
            snapshot: impl Fn(&P) -> PolicySnapshot,
        ) -> Option<PolicySnapshot> {
            part.is_on().then(|| snapshot(part.first()))
        }
        let breaker = parts.breaker().map(Breaker::snapshot);
        let state = breaker.as_ref();
        Self {
            breaker_state: state.and_then(|breaker| breaker.state),
            refuses_calls: parts.breaker().is_some_and(Breaker::refuses_calls),
            failure_count: state
                .and_then(|breaker| breaker.counter("failures"))
                .unwrap_or(0),
            last_failure: state.and_then(|breaker| breaker.last_failure),
            last_operation,
            policies: [
                breaker,
                on(&parts.outer, Timeout::snapshot),
                on(&parts.retry, Retry::snapshot),
                parts.hedge().map(Hedge::snapshot),
                on(&parts.rate_limit, RateLimiter::snapshot),
                on(&parts.bulkhead, Bulkhead::snapshot),
                on(&parts.adaptive, AdaptiveLimit::snapshot),
                on(&parts.attempt, Timeout::snapshot),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }
}

impl From<StackSnapshot> for AdapterSnapshot {
    fn from(snapshot: StackSnapshot) -> Self {
        let mut adapter = Self::default();
        adapter.breaker_state = snapshot
            .breaker_state
            .map(|state| state.as_str().to_owned());
        adapter.refuses_calls = snapshot.refuses_calls;
        adapter.failure_count = snapshot.failure_count;
        adapter.last_failure = snapshot.last_failure.and_then(|ago| {
            let ago = SignedDuration::try_from(ago).ok()?;
            Timestamp::now().checked_sub(ago).ok()
        });
        adapter.last_operation = snapshot.last_operation;
        adapter
    }
}
