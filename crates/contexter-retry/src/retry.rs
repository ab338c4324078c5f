//! The handle to a retry.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{
    Classify, Cx, DefaultClock, ErrIsFailure, InvalidConfig, Policy, PolicySnapshot, Timer,
    is_unshared,
};

use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::{Attempts, Budget, Config, GaveUp, RetryService, Scheduled};

/// Runs an operation again when that can help.
///
/// Clones share their settings and their budget. The last outcome is returned unchanged.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `T` | [`DefaultClock`] (a timer with feature `tokio`) | where the time is read and waited for |
/// | `K` | [`ErrIsFailure`] | whether trying again can help |
///
/// A further attempt is made if
///
/// 1. the classifier says that it can help ([`Classify::again`]),
/// 2. attempts are left, and the request can be sent once more,
/// 3. the call is idempotent by its [`Cx`], or the classifier knows that it was not sent
///    ([`Classify::sent`]),
/// 4. the far side asks for no longer wait than `max_retry_after`,
/// 5. the delay ends before `max_elapsed`, which counts the time of the attempts too, and before
///    the deadline of the [`Cx`],
/// 6. and the [`Budget`], if there is one, has a token, which is held during the delay.
///
/// Otherwise the outcome is returned at once.
///
/// All of this is decided before the delay, and the outcome is then let go with what it holds, such
/// as a connection. So a timer that fires late, on a thread that was busy or a machine that slept,
/// can begin an attempt past `max_elapsed` or the deadline: there is nothing left to return in its
/// place. The attempt is given the deadline in its [`Cx`], and a timeout inside the retry refuses it
/// unsent.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use contexter_retry::{Config, Retry};
///
/// let retry = Retry::new(Config::new())?;
/// let calls = AtomicU32::new(0);
/// let (out, attempts) = retry
///     .call(|| async {
///         if calls.fetch_add(1, Ordering::Relaxed) < 2 { Err("busy") } else { Ok(42) }
///     })
///     .counted()
///     .await;
/// assert_eq!((out, attempts), (Ok(42), 3));
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retry<T = DefaultClock, K = ErrIsFailure> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) timer: T,
    pub(crate) classify: K,
}

#[cfg(feature = "tokio")]
impl Retry {
    /// Makes a retry on the [`DefaultClock`] for which every error may be retried.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: Config) -> Result<Self, InvalidConfig> {
        Self::with_timer(config, DefaultClock)
    }
}

impl<T: Timer> Retry<T> {
    /// Makes a retry that waits by `timer`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_timer(config: Config, timer: T) -> Result<Self, InvalidConfig> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
            timer,
            classify: ErrIsFailure,
        })
    }
}

impl<T: Timer, K> Retry<T, K> {
    /// Makes the retry read outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> Retry<T, K2> {
        Retry {
            shared: self.shared,
            timer: self.timer,
            classify,
        }
    }

    /// Gives the retry the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.set_name(name.into());
        self
    }

    /// Bounds retries by `budget`, in place of the one of the settings. Give clones of it to all
    /// retries and hedges of one far side.
    ///
    /// Clones that were made before keep what they have, as for the next three settings.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        self.edited(|shared| shared.set_budget(budget))
    }

    /// Takes the delays of each call from the sequence that `make` returns, in place of the
    /// exponential ones. Where it ends, so do the attempts.
    ///
    /// The other settings hold: at most `max_attempts`, no delay above `max_delay`, none of nothing
    /// at all. The sequence is made, and boxed, when a call has failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::time::Duration;
    /// use contexter_retry::{Config, Retry};
    ///
    /// let retry = Retry::new(Config::new().max_attempts(4))?
    ///     .with_schedule(|| [1, 1, 2].map(Duration::from_secs));
    /// # }
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn with_schedule<F, I>(self, make: F) -> Self
    where
        F: Fn() -> I + Send + Sync + 'static,
        I: IntoIterator<Item = Duration>,
        I::IntoIter: Send + Sync + 'static,
    {
        self.edited(|shared| shared.set_schedule(Schedule::new(make)))
    }

    /// Calls `hook` before every delay, in place of an earlier hook.
    ///
    /// It is called while no lock is held, and may use this retry. If it panics, the panic is
    /// caught and the call goes on.
    #[must_use]
    pub fn on_retry(self, hook: impl Fn(&Scheduled<'_>) + Send + Sync + 'static) -> Self {
        self.edited(|shared| shared.hooks_mut().on_retry = Some(Arc::new(hook)))
    }

    /// Calls `hook` when an outcome is returned although another attempt might have helped, in
    /// place of an earlier hook; otherwise as [`on_retry`](Self::on_retry).
    #[must_use]
    pub fn on_give_up(self, hook: impl Fn(&GaveUp<'_>) + Send + Sync + 'static) -> Self {
        self.edited(|shared| shared.hooks_mut().on_give_up = Some(Arc::new(hook)))
    }

    fn edited(self, edit: impl FnOnce(&mut Shared)) -> Self {
        Self {
            shared: Shared::edited(self.shared, edit),
            ..self
        }
    }

    /// Runs `op` until its outcome needs no retry or allows none, and returns that outcome.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running attempt or the wait; no further attempt is made, and
    /// the token of one that would have followed goes back to the budget.
    #[inline]
    pub fn call<Op, Fut>(
        &self,
        mut op: Op,
    ) -> Attempts<'_, impl FnMut(Cx) -> Fut + use<Op, Fut, T, K>, Fut, T, K>
    where
        Op: FnMut() -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        self.call_with(Cx::new(), move |_cx| op())
    }

    /// As [`call`](Self::call), within the deadline of `cx`, and tells `op` the attempt number.
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    #[inline]
    pub fn call_with<Op, Fut>(&self, cx: Cx, op: Op) -> Attempts<'_, Op, Fut, T, K>
    where
        Op: FnMut(Cx) -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        Attempts::new(self, cx, op)
    }

    /// Puts the retry around a service whose requests can be cloned, or as
    /// [`RetryService::repeat_by`] says.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> RetryService<S, T, K>
    where
        T: Clone,
        K: Clone,
    {
        RetryService::new(self.clone(), inner)
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.config()
    }

    /// Returns the budget that bounds the retries, to share it or to read it.
    #[must_use]
    pub fn budget(&self) -> Option<&Budget> {
        self.shared.budget()
    }

    /// Takes new settings, for this retry and its clones. A call that has already failed once goes
    /// on with those it began with; the budget keeps its tokens.
    ///
    /// A budget that was given by [`with_budget`](Self::with_budget) is not changed: it has its own
    /// [`reconfigure`](Budget::reconfigure).
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.shared.reconfigure(config)
    }

    /// Returns the counters `retries` and `gave_up`, and, with a budget, `budget_tokens`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.shared.snapshot()
    }

    /// Returns whether this retry allows what a new one would: its own budget has its reserve, and
    /// it has no other handle. What it has counted for its [`snapshot`](Self::snapshot) does not
    /// matter, nor does a budget that was given to it.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared) && self.shared.is_pristine()
    }
}

impl<Out, T, K> Policy<Out> for Retry<T, K>
where
    T: Timer,
    K: Classify<Out>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        self.call_with(cx, op)
    }
}
