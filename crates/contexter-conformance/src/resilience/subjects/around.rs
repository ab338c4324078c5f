//! What timeouts, fallbacks, compositions and registries are asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contexter_service::{BreakerState, Cx};

use super::breaker::{BreakerSettings, BreakerSubject};
use crate::Unsupported;
use crate::resilience::op::Running;
use crate::resilience::{Call, Failure, Op, Reply};

/// A timeout under test, through one of its faces. The setting is how long a call may take. A call
/// whose time is over gives [`Failure::Elapsed`].
pub trait TimeoutSubject: Send + Sync {
    /// Makes one call with this context.
    ///
    /// # Errors
    ///
    /// Fails if the face cannot carry the context's deadline.
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported>;

    /// As [`BreakerSubject::at_once`].
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }
}

/// The operation that a fallback runs, and the setting of a fallback under test.
#[derive(Clone, Debug)]
pub struct Recovery {
    op: Op,
    seen: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Recovery {
    pub(crate) fn new(op: Op) -> Self {
        Self {
            op,
            seen: Arc::default(),
        }
    }

    /// Begins the fallback operation for the error that the call ended with.
    pub fn begin(&self, error: &Failure) -> Running {
        let number = error.op().map(|fault| fault.number);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(number);
        self.op.begin(Cx::new())
    }

    /// The numbers of the errors that it was given.
    pub(crate) fn seen(&self) -> Vec<Option<usize>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// How many outcomes of the fallback operation there are.
    pub(crate) fn started(&self) -> usize {
        self.op.started()
    }
}

/// A fallback under test, through one of its faces. The setting is the operation that it falls
/// back to. If both fail, a call gives [`Failure::Both`].
pub trait FallbackSubject: Send + Sync {
    /// Makes one call.
    fn call(&self, op: &Op) -> Call;

    /// As [`BreakerSubject::at_once`], for a call that does not fall back.
    ///
    /// # Errors
    ///
    /// Fails if the face cannot be called without an allocation of the subject's.
    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        let _ = op;
        Err(Unsupported::new("offers no call without a box"))
    }
}

/// Two mechanisms, one around the other, with settings that are the same for all subjects.
///
/// | mechanism | settings |
/// |---|---|
/// | retry | 3 attempts, 1 s apart without jitter |
/// | hedge | 2 attempts, 1 s apart |
/// | breaker | opens at 2 failures in a row, for 60 s; a dropped call teaches nothing |
/// | bulkhead | 1 call, nobody waits; 2 calls inside a hedge |
/// | rate limit | 1 call an hour |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A retry around a breaker.
    RetryBreaker,
    /// A retry around a bulkhead.
    RetryBulkhead,
    /// A hedge around a breaker.
    HedgeBreaker,
    /// A hedge around a bulkhead.
    HedgeBulkhead,
    /// A breaker around a bulkhead.
    BreakerBulkhead,
    /// A breaker around a rate limit.
    BreakerRateLimit,
}

/// A composition under test, through one of its faces.
pub trait StackSubject: Send + Sync {
    /// Makes one call through both.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be put together this way.
    fn call(&self, op: &Op) -> Result<Call, Unsupported>;

    /// Returns the state of the breaker in the composition.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be asked.
    fn state(&self) -> Result<BreakerState, Unsupported>;
}

/// The settings of a registry of breakers, in the suite's words.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KeyedSettings {
    /// The settings of every breaker.
    pub breaker: BreakerSettings,
    /// How many breakers are kept as long as the rest may go.
    pub capacity: usize,
    /// After how long without a call a breaker may go.
    pub idle: Duration,
}

/// A registry of breakers under test.
pub trait KeyedSubject: Send + Sync {
    /// Returns the breaker of a key, made if there is none.
    fn breaker(&self, key: &str) -> Box<dyn BreakerSubject>;

    /// Returns how many breakers there are.
    fn len(&self) -> usize;

    /// Returns whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
