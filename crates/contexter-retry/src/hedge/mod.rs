//! The handle to a hedge.

mod call;
mod config;
mod race;
mod service;
mod shared;
#[cfg(feature = "tower")]
mod tower;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{
    Classify, Cx, DefaultClock, ErrIsFailure, InvalidConfig, Policy, PolicySnapshot, Timer,
    is_unshared,
};

use self::shared::HedgeShared;
use crate::Budget;
use crate::schedule::Schedule;

pub use self::call::Hedged;
pub use self::config::{HedgeConfig, MAX_HEDGED_ATTEMPTS};
pub use self::service::HedgeService;
#[cfg(feature = "tower")]
pub use self::tower::HedgeFuture;

/// Begins a second attempt while the first one is slow, and takes what ends first.
///
/// For calls that may be made twice, such as reads: it turns the slowest calls into two chances.
/// Clones share their settings and their budget.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `T` | [`DefaultClock`] (a timer with feature `tokio`) | where the time is read and waited for |
/// | `K` | [`ErrIsFailure`] | which outcomes are worth another attempt |
///
/// 1. The first attempt is begun at once. One that ends before `delay` is the only one; a call that
///    is ready at its first poll registers no timer.
/// 2. When `delay` has passed since the last attempt was begun, the next one is begun.
/// 3. An outcome that another attempt could better ([`Classify::again`]) begins the next one at
///    once, unless the far side asks for a wait: then no further one is begun.
/// 4. An attempt that was refused on this side while others run, such as by a bulkhead inside the
///    hedge, does not decide the call ([`Classify::sent`]); no further one is begun after it.
/// 5. The first other outcome is the call's. The attempts that lost are dropped before it is
///    returned, and give their permits back; mechanisms inside learn nothing from them
///    ([`superseded`](contexter_service::superseded)).
/// 6. Only when all attempts have failed is an error returned: that of the last one that was not
///    refused on this side. It is kept for that while others run.
///
/// A further attempt needs a token of the [`Budget`], if there is one, an idempotent [`Cx`], and
/// time until the deadline. Without them, the attempts in flight go on.
///
/// The operation learns its attempt number from its `Cx`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::time::Duration;
/// use contexter_retry::{Hedge, HedgeConfig};
/// use contexter_service::Cx;
///
/// let hedge = Hedge::new(HedgeConfig::new().delay(Duration::from_millis(50)))?;
/// let answered_by = hedge
///     .call_with(Cx::new(), |cx| async move {
///         if cx.attempt() == 1 {
///             std::future::pending::<()>().await;
///         }
///         Ok::<_, std::io::Error>(cx.attempt())
///     })
///     .await?;
/// assert_eq!(answered_by, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hedge<T = DefaultClock, K = ErrIsFailure> {
    pub(crate) shared: Arc<HedgeShared>,
    pub(crate) timer: T,
    pub(crate) classify: K,
}

#[cfg(feature = "tokio")]
impl Hedge {
    /// Makes a hedge on the [`DefaultClock`] for which every error is worth another attempt.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: HedgeConfig) -> Result<Self, InvalidConfig> {
        Self::with_timer(config, DefaultClock)
    }
}

impl<T: Timer> Hedge<T> {
    /// Makes a hedge that waits by `timer`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_timer(config: HedgeConfig, timer: T) -> Result<Self, InvalidConfig> {
        Ok(Self {
            shared: Arc::new(HedgeShared::new(config)?),
            timer,
            classify: ErrIsFailure,
        })
    }
}

impl<T: Timer, K> Hedge<T, K> {
    /// Makes the hedge read outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> Hedge<T, K2> {
        Hedge {
            shared: self.shared,
            timer: self.timer,
            classify,
        }
    }

    /// Gives the hedge the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.set_name(name.into());
        self
    }

    /// Bounds hedged attempts by `budget`, in place of the one of the settings. Give clones of it
    /// to all retries and hedges of one far side.
    ///
    /// Clones that were made before keep what they have, as for the next setting.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        self.edited(|shared| shared.set_budget(budget))
    }

    /// Takes the delay before each further attempt of a call from the sequence that `make`
    /// returns, in place of `delay`; where it ends, no timer begins another attempt. The sequence
    /// is made, and boxed, when the first attempt was not ready at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::time::Duration;
    /// use contexter_retry::{Hedge, HedgeConfig};
    ///
    /// let hedge = Hedge::new(HedgeConfig::new().max_attempts(3))?
    ///     .with_schedule(|| [50, 200].map(Duration::from_millis));
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

    fn edited(self, edit: impl FnOnce(&mut HedgeShared)) -> Self {
        Self {
            shared: HedgeShared::edited(self.shared, edit),
            ..self
        }
    }

    /// Runs `op`, and runs it again while that is slow.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops all attempts and the timer; no further attempt is begun. For
    /// mechanisms inside, all these attempts are abandoned: none of them was superseded.
    #[inline]
    pub fn call<Op, Fut>(
        &self,
        mut op: Op,
    ) -> Hedged<'_, impl FnMut(Cx) -> Fut + use<Op, Fut, T, K>, Fut, T, K>
    where
        Op: FnMut() -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        self.call_with(Cx::new(), move |_cx| op())
    }

    /// As [`call`](Self::call), within the deadline of `cx`, and tells `op` the attempt number.
    ///
    /// A call that is not idempotent by its `cx` is made once.
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    #[inline]
    pub fn call_with<Op, Fut>(&self, cx: Cx, op: Op) -> Hedged<'_, Op, Fut, T, K>
    where
        Op: FnMut(Cx) -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        Hedged::new(self, cx, op)
    }

    /// Puts the hedge around a service whose requests can be cloned, or as
    /// [`HedgeService::repeat_by`] says.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> HedgeService<S, T, K>
    where
        T: Clone,
        K: Clone,
    {
        HedgeService::new(self.clone(), inner)
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> HedgeConfig {
        self.shared.config()
    }

    /// Returns the budget that bounds hedged attempts, to share it or to read it.
    #[must_use]
    pub fn budget(&self) -> Option<&Budget> {
        self.shared.budget()
    }

    /// Takes new settings, for this hedge and its clones. The budget keeps its tokens; one that was
    /// given by [`with_budget`](Self::with_budget) is not changed.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: HedgeConfig) -> Result<(), InvalidConfig> {
        self.shared.reconfigure(config)
    }

    /// Returns the counters `started` (further attempts), `won` (calls that one of them decided)
    /// and, with a budget, `budget_tokens`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.shared.snapshot()
    }

    /// Returns whether this hedge allows what a new one would: its own budget has its reserve, and
    /// it has no other handle. What it has counted for its [`snapshot`](Self::snapshot) does not
    /// matter, nor does a budget that was given to it.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared) && self.shared.is_pristine()
    }
}

impl<Out, T, K> Policy<Out> for Hedge<T, K>
where
    Out: Send,
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
