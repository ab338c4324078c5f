//! What limits on concurrent calls and on rates are asked.

use std::any::Any;
use std::time::Duration;

use crate::Unsupported;
use crate::resilience::{Call, Failure, Op, Reply};

/// The settings of a bulkhead, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadSettings {
    /// How many calls run at the same time; 2 by default.
    pub limit: usize,
    /// How many more may wait; none by default.
    pub queue: usize,
    /// How long one waits at most; no limit by default.
    pub max_wait: Option<Duration>,
}

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self {
            limit: 2,
            queue: 0,
            max_wait: None,
        }
    }
}

/// What a body holds until it has been read.
pub type Body = Box<dyn Any + Send>;

/// A bulkhead under test, through one of its faces. A refused call gives
/// [`Failure::Full`].
pub trait BulkheadSubject: Send + Sync {
    /// Makes one call.
    fn call(&self, op: &Op) -> Call;

    /// Returns another handle to the same bulkhead.
    fn sibling(&self) -> Box<dyn BulkheadSubject>;

    /// Makes a call whose place stays taken until the body that it gives is dropped.
    ///
    /// # Errors
    ///
    /// Fails if a place cannot outlive the call.
    fn call_with_body(&self, op: &Op) -> Result<Call<Result<Body, Failure>>, Unsupported> {
        let _ = op;
        Err(Unsupported::new("cannot keep the place until a body ends"))
    }

    /// As [`BreakerSubject::at_once`](crate::resilience::BreakerSubject::at_once).
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }
}

/// The settings of a rate limiter, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateSettings {
    /// How many calls any window of one period may see; 5 by default. A subject that allows bursts
    /// on top is set so that it still keeps this.
    pub limit: u32,
    /// The length of the window; 10 s by default.
    pub period: Duration,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            limit: 5,
            period: Duration::from_secs(10),
        }
    }
}

/// A rate limiter under test, through one of its faces. It refuses and does not wait; a refused
/// call gives [`Failure::Limited`].
pub trait RateLimitSubject: Send + Sync {
    /// Makes one call.
    fn call(&self, op: &Op) -> Call;

    /// Returns another handle to the same limit.
    fn sibling(&self) -> Box<dyn RateLimitSubject>;

    /// Takes up what the far side said: no call for this long.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be paused.
    fn pause(&self, wait: Duration) -> Result<(), Unsupported> {
        let _ = wait;
        Err(Unsupported::new("cannot be paused by the far side"))
    }

    /// Returns whether an outcome by which the far side names a wait pauses it, without
    /// [`pause`](Self::pause).
    fn reads_outcomes(&self) -> bool {
        false
    }

    /// As [`BreakerSubject::at_once`](crate::resilience::BreakerSubject::at_once).
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }
}

/// The settings of an adaptive limit, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdaptiveSettings {
    /// The limit at the start; 20 by default.
    pub initial: usize,
    /// The lowest limit; 2 by default.
    pub min: usize,
    /// The highest limit; 100 by default.
    pub max: usize,
}

impl Default for AdaptiveSettings {
    fn default() -> Self {
        Self {
            initial: 20,
            min: 2,
            max: 100,
        }
    }
}

/// An adaptive limit on concurrent calls under test, through one of its faces.
pub trait AdaptiveSubject: Send + Sync {
    /// Makes one call.
    fn call(&self, op: &Op) -> Call;

    /// Returns the limit as it stands.
    fn limit(&self) -> usize;

    /// As [`BreakerSubject::at_once`](crate::resilience::BreakerSubject::at_once).
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }
}
