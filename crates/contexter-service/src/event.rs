//! The one vocabulary in which mechanisms tell what they did.

use std::sync::Arc;

use crate::BreakerState;

/// The counter of all events, with the labels `name`, `mechanism` and `event`.
pub const EVENTS_TOTAL: &str = "contexter_resilience_events_total";

/// The gauge of breaker states, with the labels `name` and `state`: exactly one state is 1.
pub const BREAKER_STATE: &str = "contexter_breaker_state";

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $mechanism:literal, $event:literal;)+) => {
        /// One thing that a mechanism did.
        ///
        /// The set is fixed, so that metrics labelled by it stay few. `tracing` events carry the same
        /// words in the fields `mechanism` and `event`, and the mechanism's name in `name`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $variant,)+
        }

        impl Event {
            /// All events, in the order of the mechanisms.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns which mechanism does this, such as `"breaker"`.
            #[must_use]
            pub const fn mechanism(self) -> &'static str {
                match self { $(Self::$variant => $mechanism,)+ }
            }

            /// Returns what it did, such as `"opened"`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $event,)+ }
            }
        }
    };
}

events! {
    /// A breaker begins to refuse calls.
    BreakerOpened = "breaker", "opened";
    /// A breaker lets probes pass.
    BreakerHalfOpened = "breaker", "half_opened";
    /// A breaker lets all calls pass again.
    BreakerClosed = "breaker", "closed";
    /// A breaker refused a call.
    BreakerRejected = "breaker", "rejected";
    /// An attempt failed, and another one follows.
    RetryScheduled = "retry", "scheduled";
    /// An attempt failed in a way that could be retried, and none follows.
    RetryGaveUp = "retry", "gave_up";
    /// No further attempt was made because the budget has no token left.
    RetryBudgetExhausted = "retry", "budget_exhausted";
    /// A second attempt was begun while the first one still ran.
    HedgeStarted = "hedge", "started";
    /// A later attempt than the first gave the outcome.
    HedgeWon = "hedge", "won";
    /// A rate limit refused a call.
    RateLimited = "rate_limit", "limited";
    /// The far side made a rate limit pause.
    RateLimitPaused = "rate_limit", "paused";
    /// A limit on concurrent calls refused a call.
    BulkheadFull = "bulkhead", "full";
    /// The time of a call was over.
    TimeoutElapsed = "timeout", "elapsed";
    /// A fallback gave the outcome of a failed call.
    FallbackServed = "fallback", "served";
    /// A stale value was served in place of an error.
    StaleServed = "fallback", "stale_served";
    /// A call joined one under way instead of being sent.
    FlightJoined = "single_flight", "joined";
    /// A cached response was served.
    CacheHit = "cache", "hit";
    /// No cached response was fresh.
    CacheMiss = "cache", "miss";
    /// A fault was injected.
    ChaosInjected = "chaos", "injected";
}

impl Event {
    /// Counts the event under the name of the instance. Does nothing without feature `metrics`, and
    /// little without a recorder.
    pub fn count(self, name: Option<&Arc<str>>) {
        #[cfg(feature = "metrics")]
        metrics::counter!(
            EVENTS_TOTAL,
            "name" => label(name),
            "mechanism" => self.mechanism(),
            "event" => self.as_str()
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = name;
    }
}

/// Sets the gauges of a breaker's state. Does nothing without feature `metrics`.
pub fn gauge_breaker_state(name: Option<&Arc<str>>, state: BreakerState) {
    #[cfg(feature = "metrics")]
    for known in [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
    ] {
        let value = if known == state { 1.0 } else { 0.0 };
        metrics::gauge!(BREAKER_STATE, "name" => label(name), "state" => known.as_str()).set(value);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (name, state);
}

#[cfg(feature = "metrics")]
fn label(name: Option<&Arc<str>>) -> metrics::SharedString {
    name.map_or(metrics::SharedString::const_str("unnamed"), |name| {
        metrics::SharedString::from(Arc::clone(name))
    })
}
