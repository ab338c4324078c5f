//! The handle to fault injection.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use contexter_service::{
    Cx, DefaultClock, InvalidConfig, Policy, PolicySnapshot, Start, Timer, is_unshared,
};

use crate::dice::Dice;
use crate::injected::{Call, Injected};
use crate::{Always, ChaosService, Config, ErrWith, Outcome, When};

/// Injects faults into calls, by rate and seed.
///
/// `F` makes the outcome of a call that an error is injected into, `P` says which calls may meet a
/// fault at all, and `T` waits. Clones share the settings, the switch, the sequence of faults, the
/// name and the counts.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::io;
/// use contexter_chaos::{Chaos, Config};
///
/// let config = Config::new().error_rate(1.0);
/// let chaos = Chaos::new(config, |_cx| io::Error::from(io::ErrorKind::ConnectionReset))?;
/// let out = chaos.call(|| async { io::Result::Ok("pong") }).await;
/// assert_eq!(out.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
///
/// chaos.set_enabled(false);
/// assert_eq!(chaos.call(|| async { io::Result::Ok("pong") }).await?, "pong");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Chaos<F, P = Always, T = DefaultClock> {
    pub(crate) dice: Arc<Dice>,
    pub(crate) outcome: F,
    pub(crate) when: P,
    pub(crate) timer: T,
}

impl<G> Chaos<ErrWith<G>> {
    /// Makes a chaos whose injected errors come from `error`; it takes calls that give any
    /// `Result` with that error.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`].
    pub fn new<E>(config: Config, error: G) -> Result<Self, InvalidConfig>
    where
        G: Fn(Cx) -> E,
    {
        Chaos::from_outcome(config, ErrWith(error))
    }
}

impl<F> Chaos<F> {
    /// Makes a chaos for calls that give anything: `outcome` makes what a call ends with that an
    /// error is injected into.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_chaos::{Chaos, Config};
    ///
    /// let status = Chaos::with_outcome(Config::new().error_rate(0.2), |_cx| 503_u16)?;
    /// # let _ = status;
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    pub fn with_outcome<Out>(config: Config, outcome: F) -> Result<Self, InvalidConfig>
    where
        F: Fn(Cx) -> Out,
    {
        Self::from_outcome(config, outcome)
    }

    fn from_outcome(config: Config, outcome: F) -> Result<Self, InvalidConfig> {
        Ok(Self {
            dice: Arc::new(Dice::new(config)?),
            outcome,
            when: Always,
            timer: DefaultClock,
        })
    }
}

impl<F, P, T> Chaos<F, P, T> {
    /// Waits by `timer` instead of the [`DefaultClock`].
    #[must_use]
    pub fn with_timer<T2: Timer>(self, timer: T2) -> Chaos<F, P, T2> {
        Chaos {
            dice: self.dice,
            outcome: self.outcome,
            when: self.when,
            timer,
        }
    }

    /// Lets only those calls meet a fault of whose context `when` holds; the others draw none from
    /// the sequence. Everything else stays shared with the clones that were made before.
    ///
    /// The context is that which a policy outside passes on, or the one that is given to
    /// [`call_with`](Self::call_with). [`call`](Self::call), a service and a layer have none, so that
    /// every call is a first attempt there; [`ChaosService::when`] asks the request instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_chaos::{Chaos, Config};
    ///
    /// // As a policy inside a retry: the first attempt fails, a retry gets through.
    /// let chaos = Chaos::new(Config::new().error_rate(1.0), |_cx| "injected")?
    ///     .when(|cx| cx.attempt() == 1);
    /// # let _ = chaos;
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn when<P2>(self, when: P2) -> Chaos<F, P2, T>
    where
        P2: Fn(&Cx) -> bool + Send + Sync,
    {
        Chaos {
            dice: self.dice,
            outcome: self.outcome,
            when,
            timer: self.timer,
        }
    }

    /// Gives the chaos the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.dice.set_name(name.into());
        self
    }

    /// Returns whether any fault is injected.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.dice.is_enabled()
    }

    /// Switches injection on or off, for all clones; calls that have begun go on as they are. While
    /// it is off, a call costs one relaxed load.
    pub fn set_enabled(&self, enabled: bool) {
        self.dice.set_enabled(enabled);
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.dice.config()
    }

    /// Takes new settings, for all clones; calls that have begun keep theirs. The sequence goes on
    /// where it was: from the new seed, or from the old one if there is no new one.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`]; the old settings then stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.dice.reconfigure(config)
    }

    /// Returns how many calls got as far as the rates, as the counter `calls`, and how many faults
    /// they met: `errors`, `latencies`, `hangs`, `panics`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.dice.snapshot()
    }

    /// Returns whether nobody could tell this chaos from a new one of the same settings: no call has
    /// got as far as the rates, and no clone, service or owned call of it exists.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.dice) && self.dice.calls() == 0
    }

    /// Puts this chaos around a service; it is shared, not copied.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> ChaosService<S, F, P, T>
    where
        Self: Clone,
    {
        ChaosService::new(self.clone(), inner, Always)
    }
}

impl<F, P, T: Timer> Chaos<F, P, T> {
    /// Runs `op`, unless it meets a fault.
    ///
    /// # Panics
    ///
    /// Panics if a panic is injected.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation, or the wait before it. A fault that was drawn for it
    /// stays drawn.
    pub fn call<Op, Fut>(
        &self,
        op: Op,
    ) -> Call<'_, impl FnOnce(Cx) -> Fut + use<Op, Fut, F, P, T>, Fut, F, P, T>
    where
        Op: FnOnce() -> Fut,
        Fut: Future,
        F: Outcome<Fut::Output>,
        P: When<Cx>,
    {
        self.call_when(true, op)
    }

    /// Runs `op` as [`call`](Self::call) does, with the context of the call, which
    /// [`when`](Self::when), the injected error and `op` are given.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub fn call_with<Op, Fut>(&self, cx: Cx, op: Op) -> Call<'_, Op, Fut, F, P, T>
    where
        Op: FnOnce(Cx) -> Fut,
        Fut: Future,
        F: Outcome<Fut::Output>,
        P: When<Cx>,
    {
        Call::new(self, cx, true, op)
    }

    /// Runs `op` as [`call`](Self::call) does, and injects no fault unless it `may` meet one.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub fn call_when<Op, Fut>(
        &self,
        may: bool,
        op: Op,
    ) -> Call<'_, impl FnOnce(Cx) -> Fut + use<Op, Fut, F, P, T>, Fut, F, P, T>
    where
        Op: FnOnce() -> Fut,
        Fut: Future,
        F: Outcome<Fut::Output>,
        P: When<Cx>,
    {
        Call::new(self, Cx::new(), may, move |_cx| op())
    }
}

impl<F, P, T: fmt::Debug> fmt::Debug for Chaos<F, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("dice", &self.dice)
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

impl<Out, F, P, T> Policy<Out> for Chaos<F, P, T>
where
    F: Outcome<Out>,
    P: When<Cx>,
    T: Timer,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        Injected::new(self, cx, true, Start::new(cx, op))
    }
}
