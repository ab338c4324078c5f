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
        keys::with(self, name, |key| {
            metrics::with_recorder(|recorder| {
                recorder.register_counter(key, &keys::METADATA).increment(1);
            });
        });
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

/// The keys of the counters, made once a thread: a call that is counted allocates nothing.
#[cfg(feature = "metrics")]
mod keys {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::sync::Arc;

    use metrics::{Key, Label, Level, Metadata};

    use super::{EVENTS_TOTAL, Event, label};

    pub(super) static METADATA: Metadata<'static> =
        Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

    /// How many names a thread keeps keys of. Names come and go where there are many instances, so
    /// beyond this the thread starts over.
    const MAX_NAMES: usize = 1_024;

    type OfName = HashMap<Event, Key>;

    thread_local! {
        static KEYS: RefCell<HashMap<Option<Arc<str>>, OfName>> = RefCell::default();
    }

    /// Gives `count` the key of an event of the instance `name`.
    pub(super) fn with(event: Event, name: Option<&Arc<str>>, count: impl Fn(&Key)) {
        // A recorder may itself use what is counted: it then finds the cell in use, or gone with
        // its thread, and makes its own key.
        let counted = KEYS.try_with(|keys| {
            let Ok(mut keys) = keys.try_borrow_mut() else {
                return false;
            };
            if let Some(known) = keys.get(&name.cloned()).and_then(|keys| keys.get(&event)) {
                count(known);
                return true;
            }
            if keys.len() >= MAX_NAMES {
                keys.clear();
            }
            let made = key(event, name);
            count(&made);
            keys.entry(name.cloned()).or_default().insert(event, made);
            true
        });
        if counted != Ok(true) {
            count(&key(event, name));
        }
    }

    fn key(event: Event, name: Option<&Arc<str>>) -> Key {
        Key::from_parts(
            EVENTS_TOTAL,
            vec![
                Label::new("name", label(name)),
                Label::from_static_parts("mechanism", event.mechanism()),
                Label::from_static_parts("event", event.as_str()),
            ],
        )
    }
}
