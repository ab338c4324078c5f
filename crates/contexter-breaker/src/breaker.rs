//! The handle to a breaker.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_service::{
    BreakerState, Classify, Clock, Cx, DefaultClock, ErrIsFailure, InvalidConfig, Open, Policy,
    PolicySnapshot, is_unshared,
};

use crate::call::{Call, Flat};
use crate::machine::Machine;
use crate::word::Phase;
use crate::{BreakerService, Config, OwnedPermit, Permit, Subscription, Transition};

/// A circuit breaker: it stops calls to a far side that keeps failing.
///
/// Clones share one state. It never ends a call; put a timeout inside it.
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
    pub(crate) machine: Arc<Machine<C>>,
    pub(crate) classify: K,
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
        self.machine.take_name(name.into());
        self
    }

    /// Calls `listener` after every transition from now on: each once, in order, by the thread that
    /// made it or by one that is still telling earlier ones.
    ///
    /// No lock is held: the listener may do anything with the breaker, and if it panics, neither
    /// the call nor other listeners notice. It stays for the life of the breaker, for all handles;
    /// a listener that owns a handle keeps the breaker alive for ever.
    /// While it is stuck, 1,024 further transitions wait; those beyond are not told. To listen for
    /// a while, or asynchronously, [`subscribe`](Self::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_breaker::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::new())?.on_transition(|transition| {
    ///     eprintln!("{} because of {}", transition.to, transition.cause);
    /// });
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn on_transition(self, listener: impl Fn(&Transition) + Send + Sync + 'static) -> Self {
        self.machine.add_listener(Arc::new(listener));
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
        Call::new(self, op)
    }

    /// Puts `inner` behind this breaker. Services made by several calls share its state.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> BreakerService<S, C, K>
    where
        K: Clone,
    {
        BreakerService::new(inner, self.clone())
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
        Permit::admit(&self.machine)
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that borrows nothing: for a stream or a
    /// response body that outlives the call.
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
    /// let permit = breaker.try_acquire_owned()?;
    /// let body = std::thread::spawn(move || permit.record(Sample::Success));
    /// body.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire_owned(&self) -> Result<OwnedPermit<C>, Open> {
        OwnedPermit::admit(Arc::clone(&self.machine))
    }

    /// Returns the state. An open breaker turns half-open with the first call after its break.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.machine.state()
    }

    /// Returns whether every call is refused now: while a break lasts or by hand, and not in a dry
    /// run. While half-open it admits its probes, so this is false.
    #[must_use]
    pub fn refuses_calls(&self) -> bool {
        self.machine.refuses_calls()
    }

    /// Returns a subscription to the state: what it is, and every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.machine.subscribe()
    }

    /// Returns how many failures count at the moment: in the window or in a row, whichever are
    /// more; of the probes; or those that opened it.
    #[must_use]
    pub fn failure_count(&self) -> u32 {
        self.machine.failures()
    }

    /// Returns when a failure was last counted.
    #[must_use]
    pub fn last_failure(&self) -> Option<Instant> {
        self.machine.last_failure()
    }

    /// Returns the state and its numbers.
    ///
    /// | counter | meaning |
    /// |---|---|
    /// | `failures` | as [`failure_count`](Self::failure_count) |
    /// | `successes`, `probes` | of the half-open period: successful, and in flight |
    /// | `opened`, `rejected` | how often, ever; in a dry run, how often it would have refused |
    /// | `window_calls`, `window_failures`, `window_slow`, `window_abandoned` | what the window holds now, if there is one; zero unless closed |
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.machine.snapshot()
    }

    /// Returns whether this breaker is as good as a new one: it is closed, not by hand, counts
    /// nothing in a row or in its window, and this is the only handle, so that no permit is in flight
    /// and nobody has subscribed.
    ///
    /// What it has counted for its [`snapshot`](Self::snapshot) alone (`opened`, `rejected`, the
    /// last failure), its name and its listeners do not matter. Failures in a row and a window of
    /// calls never end by themselves: they do not matter either once no failure was counted for
    /// [`recovery_timeout`](Config::recovery_timeout), after which even an open breaker would try
    /// again.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.machine) && self.machine.decides_as_new()
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.machine.config()
    }

    /// Takes new settings and keeps the state.
    ///
    /// | what | happens to it |
    /// |---|---|
    /// | a break that has begun | keeps its end |
    /// | failures in a row | stay counted; a lower threshold acts with the next failure |
    /// | the window | is kept if [`window`](Config::window) is the same, otherwise cleared; new rates act with the next outcome |
    /// | a half-open period | starts over |
    /// | growing breaks | go on growing, unless how they grow has changed |
    /// | isolated, forced closed | stays |
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.machine.reconfigure(config)
    }

    /// Opens the breaker for `duration` or [`max_trip`](Config::max_trip), whichever is shorter:
    /// the far side wants no call until then. A break that ends earlier is extended, a later end
    /// stays. Does nothing while isolated or forced closed.
    ///
    /// A stated time is no evidence of failing: it neither lengthens the next break nor counts as a
    /// failure.
    pub fn trip_for(&self, duration: Duration) {
        self.machine.trip_for(duration);
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
        Flat::new(self, move || op(cx))
    }
}
