//! The handle to a breaker.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use contexter_service::{
    BreakerState, Classify, Clock, Cx, DefaultClock, ErrIsFailure, InvalidConfig, Open, Policy,
    PolicySnapshot,
};

use crate::call::{Admitted, Call, Flat};
use crate::machine::Machine;
use crate::word::Phase;
use crate::{Config, Permit};

/// A circuit breaker: it stops calls to a far side that keeps failing.
///
/// Clones share one state. It never times a call; put a timeout inside it.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `C` | [`DefaultClock`] | where the time is read |
/// | `K` | [`ErrIsFailure`] | what an outcome teaches |
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Breaker, Config, Error};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let breaker = Breaker::new(Config::new().failure_threshold(1))?;
///
/// let refused = breaker.call(|| async { Err::<(), _>("connection refused") }).await;
/// assert_eq!(refused, Err(Error::Inner("connection refused")));
///
/// let stopped = breaker.call(|| async { Ok::<_, &str>(()) }).await;
/// assert!(stopped.unwrap_err().is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Breaker<C: Clock = DefaultClock, K = ErrIsFailure> {
    machine: Arc<Machine<C>>,
    classify: K,
}

impl Breaker {
    /// Makes a closed breaker on the [`DefaultClock`] for which every error is a failure.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: Config) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<C: Clock> Breaker<C> {
    /// Makes a closed breaker that reads its time from `clock`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_clock(config: Config, clock: C) -> Result<Self, InvalidConfig> {
        Ok(Self {
            machine: Arc::new(Machine::new(config, clock)?),
            classify: ErrIsFailure,
        })
    }
}

impl<C: Clock, K> Breaker<C, K> {
    /// Returns a handle to the same state that reads outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> Breaker<C, K2> {
        Breaker {
            machine: self.machine,
            classify,
        }
    }

    /// Gives the breaker the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.machine.set_name(name.into());
        self
    }

    /// Runs `op` if the breaker admits it, and learns from its outcome.
    ///
    /// Admission is asked for at the first poll. `op` is not called while the breaker is open.
    ///
    /// # Errors
    ///
    /// [`Error::Open`](crate::Error::Open) if the call was refused, otherwise the operation's own
    /// error in [`Error::Inner`](crate::Error::Inner).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation, gives its permit back, and counts by
    /// [`Abandoned`](crate::Abandoned).
    pub fn call<T, E, Op, Fut>(&self, op: Op) -> Call<'_, Op, Fut, C, K>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        K: Classify<Result<T, E>>,
    {
        Call::new(Admitted::new(&self.machine, &self.classify, op))
    }

    /// Asks for the right to make one call; for callers that run and classify it themselves.
    ///
    /// # Errors
    ///
    /// [`Open`] if the call is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_breaker::{Breaker, Config};
    /// use contexter_service::Sample;
    ///
    /// let breaker = Breaker::new(Config::new())?;
    /// let permit = breaker.try_acquire()?;
    /// permit.record(Sample::Success);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_, C>, Open> {
        let generation = self.machine.admit()?;
        Ok(Permit::new(&self.machine, generation))
    }

    /// Returns the state. An open breaker turns half-open with the first call after its break.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.machine.state()
    }

    /// Returns how many failures count at the moment: in a row, of the probes, or that opened it.
    #[must_use]
    pub fn failure_count(&self) -> u32 {
        self.machine.failures()
    }

    /// Returns when a failure was last counted.
    #[must_use]
    pub fn last_failure(&self) -> Option<Instant> {
        self.machine.last_failure()
    }

    /// Returns the state and its numbers: `failures`, `successes` and `probes` of the half-open
    /// period, and how often it has `opened` and `rejected`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.machine.snapshot()
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.machine.config()
    }

    /// Takes new settings and keeps the state: a break that has begun keeps its end, failures in
    /// a row stay counted, a half-open period starts over.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.machine.reconfigure(config)
    }

    /// Refuses every call until [`release`](Self::release), however long that takes.
    pub fn isolate(&self) {
        self.machine.force(Phase::Isolated);
    }

    /// Admits every call and counts none until [`release`](Self::release).
    pub fn force_close(&self) {
        self.machine.force(Phase::ForcedClosed);
    }

    /// Ends [`isolate`](Self::isolate) and [`force_close`](Self::force_close): the breaker is
    /// closed and counts from zero. Does nothing otherwise.
    pub fn release(&self) {
        self.machine.release();
    }
}

impl<C: Clock, K: Clone> Clone for Breaker<C, K> {
    fn clone(&self) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            classify: self.classify.clone(),
        }
    }
}

impl<C: Clock, K> fmt::Debug for Breaker<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}

impl<T, E, C, K> Policy<Result<T, E>> for Breaker<C, K>
where
    E: From<Open>,
    C: Clock,
    K: Classify<Result<T, E>>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<T, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        Result<T, E>: 'a,
    {
        Flat::new(Admitted::new(&self.machine, &self.classify, move || op(cx)))
    }
}
