//! What a mechanism tells about itself, as plain data.

use std::fmt;
use std::time::Duration;

/// The state of a circuit breaker.
///
/// The words are the textbook's: *closed* lets calls pass, *open* refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few probes pass and decide what comes next.
    HalfOpen,
}

impl BreakerState {
    /// Returns `"closed"`, `"open"` or `"half_open"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one mechanism tells about itself at one moment.
///
/// # Examples
///
/// ```
/// use contexter_service::{BreakerState, PolicySnapshot};
///
/// let snapshot = PolicySnapshot::new("breaker")
///     .with_state(BreakerState::Closed)
///     .with_counter("failures", 2);
/// assert_eq!(snapshot.counter("failures"), Some(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// Which mechanism, such as `"breaker"`.
    pub mechanism: &'static str,
    /// The state, if the mechanism is a breaker.
    pub state: Option<BreakerState>,
    /// The numbers it keeps, under names that do not change.
    pub counters: Vec<(&'static str, u64)>,
    /// How long ago it last counted a failure.
    pub last_failure: Option<Duration>,
}

impl PolicySnapshot {
    /// Creates the snapshot of a mechanism that tells nothing yet.
    #[must_use]
    pub const fn new(mechanism: &'static str) -> Self {
        Self {
            mechanism,
            state: None,
            counters: Vec::new(),
            last_failure: None,
        }
    }

    /// Sets the breaker's state.
    #[must_use]
    pub const fn with_state(mut self, state: BreakerState) -> Self {
        self.state = Some(state);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn with_counter(mut self, name: &'static str, value: u64) -> Self {
        self.counters.push((name, value));
        self
    }

    /// Sets how long ago the last failure was counted.
    #[must_use]
    pub const fn with_last_failure(mut self, ago: Option<Duration>) -> Self {
        self.last_failure = ago;
        self
    }

    /// Returns the number kept under `name`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters
            .iter()
            .find_map(|&(known, value)| (known == name).then_some(value))
    }
}
