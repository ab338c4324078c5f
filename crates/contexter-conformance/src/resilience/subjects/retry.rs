//! What a retry and a hedge are asked.

use std::time::{Duration, SystemTime};

use contexter_service::{Cx, Jitter};

use crate::Unsupported;
use crate::resilience::{Call, Op, Reply};

/// A budget of retries as a share of the calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetSettings {
    /// How many retries each first attempt earns.
    pub ratio: f64,
    /// How many retries are there from the start.
    pub reserve: u32,
}

/// The settings of a retry, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetrySettings {
    /// How many attempts are made at most, the first included; 3 by default.
    pub max_attempts: u32,
    /// The delay before the second attempt; 1 s by default.
    pub base: Duration,
    /// The longest delay, jitter included; 60 s by default.
    pub cap: Duration,
    /// By how much each delay is longer than the one before; 2 by default.
    pub factor: f64,
    /// How delays are spread; not at all by default.
    pub jitter: Jitter,
    /// Makes the spread of every call the same.
    pub seed: Option<u64>,
    /// How long attempts and delays may take together; no limit by default.
    pub max_elapsed: Option<Duration>,
    /// The longest wait that the far side may ask for; 60 s by default.
    pub max_retry_after: Duration,
    /// The budget; none by default.
    pub budget: Option<BudgetSettings>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_secs(1),
            cap: Duration::from_mins(1),
            factor: 2.0,
            jitter: Jitter::None,
            seed: None,
            max_elapsed: None,
            max_retry_after: Duration::from_mins(1),
            budget: None,
        }
    }
}

/// A header by which the far side names a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitHeader<'a> {
    /// `retry-after`: seconds or an HTTP date.
    RetryAfter(&'a str),
    /// `retry-after-ms`: milliseconds.
    RetryAfterMs(&'a str),
}

/// A retry under test, through one of its faces. Every error of the operation that says so may be
/// retried.
pub trait RetrySubject: Send + Sync {
    /// Makes one call with this context: each attempt is given one that goes back to it.
    ///
    /// # Errors
    ///
    /// Fails if the face cannot carry the context's deadline or that it is not idempotent.
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported>;

    /// Returns another handle that shares the budget.
    fn sibling(&self) -> Box<dyn RetrySubject>;

    /// As [`call`](Self::call), and tells how many attempts were made.
    ///
    /// # Errors
    ///
    /// Fails if the face does not tell.
    fn counted(&self, cx: Cx, op: &Op) -> Result<Call<(Reply, u32)>, Unsupported> {
        let _ = (cx, op);
        Err(Unsupported::new("does not tell the number of attempts"))
    }

    /// Returns the wait that a header names at `now`, nothing if it names none.
    ///
    /// # Errors
    ///
    /// Fails if it reads no such headers.
    fn read_wait(
        &self,
        header: WaitHeader<'_>,
        now: SystemTime,
    ) -> Result<Option<Duration>, Unsupported> {
        let _ = (header, now);
        Err(Unsupported::new("reads no headers"))
    }

    /// Returns how often a retry was left out because the budget was used up.
    ///
    /// # Errors
    ///
    /// Fails if it does not tell.
    fn exhaustions(&self) -> Result<u64, Unsupported> {
        Err(Unsupported::new(
            "has no event for a budget that is used up",
        ))
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

    /// As [`BreakerSubject::readies`](crate::resilience::BreakerSubject::readies).
    fn readies(&self) -> bool {
        false
    }
}

/// The settings of a hedge, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct HedgeSettings {
    /// How long an attempt runs before the next one is begun beside it; 1 s by default.
    pub delay: Duration,
    /// How many attempts are made at most, the first included; 2 by default.
    pub max_attempts: u32,
    /// The budget that further attempts are taken from; none by default.
    pub budget: Option<BudgetSettings>,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(1),
            max_attempts: 2,
            budget: None,
        }
    }
}

/// A hedge under test, through one of its faces.
pub trait HedgeSubject: Send + Sync {
    /// Makes one call with this context.
    ///
    /// # Errors
    ///
    /// Fails if the face cannot carry that the context is not idempotent.
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported>;

    /// As [`BreakerSubject::at_once`](crate::resilience::BreakerSubject::at_once).
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }

    /// As [`BreakerSubject::readies`](crate::resilience::BreakerSubject::readies).
    fn readies(&self) -> bool {
        false
    }
}
