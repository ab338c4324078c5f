//! What a breaker is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{BreakerState, Jitter};

use crate::resilience::{Call, Op, Reply};
use crate::{Refusal, Unsupported};

/// What opens a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Trip {
    /// What the subject does when it is told nothing; the other settings are then its own too.
    #[default]
    Default,
    /// So many failures in a row.
    Streak(u32),
    /// A share of failures among the last calls.
    CountWindow {
        /// How many calls the window holds.
        size: u32,
        /// How many calls there must be before the share counts.
        minimum: u32,
        /// The share that opens it, itself included.
        rate: f64,
    },
    /// A share of failures among the calls of the last time.
    TimeWindow {
        /// How long the window is.
        length: Duration,
        /// How many calls there must be before the share counts.
        minimum: u32,
        /// The share that opens it, itself included.
        rate: f64,
    },
}

/// When slow calls open a breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// A call that takes longer is slow.
    pub threshold: Duration,
    /// The share of slow calls that opens it, itself included.
    pub rate: f64,
}

/// How breaks grow when probes fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// By how much each break is longer than the one before.
    pub factor: f64,
    /// The longest break.
    pub cap: Duration,
    /// How breaks are spread: full in `[0, d]`, equal in `[d/2, d]`.
    pub jitter: Jitter,
}

/// What a call teaches that was admitted and then dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandonment {
    /// Nothing.
    Ignore,
    /// A failure.
    Failure,
}

/// The settings of a breaker, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// What opens it.
    pub trip: Trip,
    /// When slow calls open it; never by default.
    pub slow: Option<Slow>,
    /// How long it stays open; 10 s by default.
    pub break_for: Duration,
    /// How breaks grow; not at all by default.
    pub growth: Option<Growth>,
    /// How many probes one half-open period admits and decides by; 1 by default.
    pub probes: u32,
    /// How many of the probes must succeed; 1 by default.
    pub successes: u32,
    /// The longest stay in half-open; no limit by default.
    pub half_open_for: Option<Duration>,
    /// What a dropped call teaches; nothing by default.
    pub abandoned: Abandonment,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            trip: Trip::Default,
            slow: None,
            break_for: Duration::from_secs(10),
            growth: None,
            probes: 1,
            successes: 1,
            half_open_for: None,
            abandoned: Abandonment::Ignore,
        }
    }
}

/// Hears of each transition: the state before, and the state after.
pub type Listener = Arc<dyn Fn(BreakerState, BreakerState) + Send + Sync>;

/// A breaker under test, through one of its faces.
///
/// A call that is refused gives [`Failure::Open`](crate::resilience::Failure::Open). What a subject
/// does not offer it leaves at the default.
pub trait BreakerSubject: Send + Sync {
    /// Makes one call, as late as the face does; nothing is to be polled before the suite does.
    fn call(&self, op: &Op) -> Call;

    /// Returns another handle to the same breaker: a clone, or another service of the same layer.
    fn sibling(&self) -> Box<dyn BreakerSubject>;

    /// Returns the state.
    ///
    /// # Errors
    ///
    /// Fails if the face has no state query.
    fn state(&self) -> Result<BreakerState, Unsupported> {
        Err(Unsupported::new("has no state query"))
    }

    /// Returns how many failures count at the moment.
    ///
    /// # Errors
    ///
    /// Fails if the face does not tell.
    fn failures(&self) -> Result<u64, Unsupported> {
        Err(Unsupported::new("does not tell how many failures count"))
    }

    /// Refuses every call until [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// Fails if the face has no such control.
    fn isolate(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("cannot be isolated by hand"))
    }

    /// Admits every call until [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// Fails if the face has no such control.
    fn force_close(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("cannot be held closed by hand"))
    }

    /// Ends what was done by hand; the breaker is closed and counts from zero. Does nothing
    /// otherwise.
    ///
    /// # Errors
    ///
    /// Fails if the face has no such control.
    fn release(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("cannot be released by hand"))
    }

    /// Takes new settings.
    ///
    /// # Errors
    ///
    /// Fails if the face cannot, or refuses these settings.
    fn reconfigure(&self, settings: &BreakerSettings) -> Result<(), Refusal> {
        let _ = settings;
        Err(Refusal::unsupported("takes no settings at run time"))
    }

    /// Tells the listener of each transition from now on.
    ///
    /// # Errors
    ///
    /// Fails if the face has no listeners.
    fn listen(&self, listener: Listener) -> Result<(), Unsupported> {
        let _ = listener;
        Err(Unsupported::new("has no listeners"))
    }

    /// Returns the gauges of the three states as they stand.
    ///
    /// # Errors
    ///
    /// Fails if there are no gauges.
    fn gauges(&self) -> Result<Vec<(BreakerState, f64)>, Unsupported> {
        Err(Unsupported::new("has no gauges"))
    }

    /// Makes one call that is ready at once, allocating nothing of the subject's own; see
    /// [`ready_at_once`](crate::resilience::ready_at_once).
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }

    /// Returns whether the face is a service that makes an [`Instance`](crate::resilience::Instance)
    /// ready before each call.
    fn readies(&self) -> bool {
        false
    }
}

impl fmt::Debug for dyn BreakerSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerSubject").finish_non_exhaustive()
    }
}
