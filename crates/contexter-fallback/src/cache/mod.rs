//! The handle to a response cache.

mod call;
mod config;
mod service;
mod tally;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use contexter_service::{Clock, Cx, DefaultClock, InvalidConfig, PolicySnapshot, is_unshared};

pub use call::CachedCall;
pub use config::CacheConfig;
pub use service::CacheService;

use crate::stale::fixed;
use crate::store::Store;
use crate::sync::Mutex;
use crate::{
    AnyError, Configured, Eligible, FlightConfig, JudgeFreshness, Served, SingleFlight,
    StaleConfig, StaleValue,
};
use call::Fetch;
use tally::Tally;

/// What a cached call gives: a value that is fresh or stale, or an error that nothing stands in for.
pub type Outcome<V, E> = Result<Served<V, E>, E>;

/// Serves responses that are still fresh, and asks the far side once for all who miss.
///
/// | what is stored | what a call of its key gets |
/// |---|---|
/// | a fresh value | the value, without a call |
/// | a fresh error | the error, without a call |
/// | a stale value | what the far side gives; the stale value if that is an eligible error |
/// | nothing | what the far side gives |
///
/// The caller supplies the key, and for each outcome how long it is fresh and how much longer it
/// may stand in for an error ([`freshness_by`](Self::freshness_by); by default the settings say so,
/// for values only). Calls of one key that miss at the same time share one execution, as by
/// [`SingleFlight`]; stale values are those of [`StaleValue`]. Both are in the cache.
///
/// Values are bounded by weight and errors by number. What is asked for rarely goes first, and a
/// newcomer may be turned away for what is asked for more often (TinyLFU, of `moka`). Clones share
/// the cache.
///
/// A hit reads the clock and clones the value, which should be cheap (an `Arc`); it allocates
/// nothing. Only the upkeep of `moka`, which about one hit in a hundred does for all, may allocate.
/// A miss allocates what a shared execution does, and clones the key and the value.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `F` | [`Configured`] | how long an outcome may be used |
/// | `C` | [`DefaultClock`] | where the time is read |
/// | `P` | [`AnyError`] | for which errors a stale value may stand in |
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use contexter_fallback::{CacheConfig, Freshness, ResponseCache};
/// use contexter_service::Cx;
///
/// #[derive(Clone, Debug, PartialEq)]
/// enum Failed {
///     NotFound,
///     Unavailable,
/// }
///
/// let hour = Duration::from_secs(3600);
/// let pages = ResponseCache::<String, Arc<str>, Failed>::new(CacheConfig::new())?
///     .freshness_by(move |page: &Result<Arc<str>, Failed>| match page {
///         Ok(_) => Freshness::fresh_for(hour).stale_if_error_for(24 * hour),
///         Err(Failed::NotFound) => Freshness::fresh_for(Duration::from_secs(30)),
///         Err(Failed::Unavailable) => Freshness::DO_NOT_STORE,
///     })
///     .stale_when(|failed: &Failed| *failed == Failed::Unavailable);
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let url = "https://docs.rs".to_owned();
/// for _ in 0..2 {
///     let page = pages.run_keyed(&url, Cx::new(), |_cx| async { Ok("the page".into()) }).await;
///     assert_eq!(&**page.unwrap().value(), "the page");
/// }
/// assert_eq!(pages.snapshot().counter("hits"), Some(1));
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ResponseCache<K, V, E, F = Configured, C = DefaultClock, P = AnyError> {
    values: StaleValue<K, V, C, P>,
    flights: SingleFlight<K, Outcome<V, E>>,
    freshness: F,
    shared: Arc<Shared<K, E>>,
}

struct Shared<K, E> {
    errors: Store<K, E>,
    config: Mutex<CacheConfig>,
    tally: Tally,
}

impl<K, V, E> ResponseCache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Makes an empty cache on the [`DefaultClock`].
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: CacheConfig) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<K, V, E, C> ResponseCache<K, V, E, Configured, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    C: Clock,
{
    /// Makes an empty cache that reads its time from `clock`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_clock(config: CacheConfig, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            values: StaleValue::with_clock(
                StaleConfig::new().max_weight(config.max_weight),
                clock,
            )?,
            flights: SingleFlight::new(FlightConfig::new().max_flights(config.max_flights))?,
            freshness: Configured,
            shared: Arc::new(Shared {
                errors: Store::new(config.max_errors),
                config: Mutex::new(config),
                tally: Tally::default(),
            }),
        })
    }
}

impl<K, V, E, F, C, P> ResponseCache<K, V, E, F, C, P> {
    /// Returns a handle to the same cache that stores outcomes for as long as `freshness` says.
    #[must_use]
    pub fn freshness_by<F2>(self, freshness: F2) -> ResponseCache<K, V, E, F2, C, P>
    where
        F2: JudgeFreshness<V, E>,
    {
        ResponseCache {
            values: self.values,
            flights: self.flights,
            freshness,
            shared: self.shared,
        }
    }

    /// Returns a handle to the same cache that serves stale values only for the errors that `when`
    /// finds eligible.
    #[must_use]
    pub fn stale_when<P2: Eligible<E>>(self, when: P2) -> ResponseCache<K, V, E, F, C, P2> {
        ResponseCache {
            values: self.values.when(when),
            flights: self.flights,
            freshness: self.freshness,
            shared: self.shared,
        }
    }

    /// Sets what a value weighs, such as its bytes; 1 by default. A value heavier than all may
    /// weigh together is not stored.
    #[must_use]
    pub fn weigh_by(mut self, weigh: fn(&K, &V) -> u32) -> Self {
        self.values = self.values.weigh_by(weigh);
        self
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> CacheConfig {
        self.shared.config.hold(|config| *config)
    }

    /// Puts the cache around a service whose requests have the keys that `key` gives.
    #[must_use]
    pub fn service<S, N>(&self, inner: S, key: N) -> CacheService<S, N, K, V, E, F, C, P>
    where
        F: Clone,
        P: Clone,
    {
        CacheService::new(inner, key, self.clone())
    }
}

impl<K, V, E, F, C, P> ResponseCache<K, V, E, F, C, P>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    C: Clock,
{
    /// Gives the cache the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.values = self.values.named(Arc::clone(&name));
        self.flights = self.flights.named(Arc::clone(&name));
        self.shared.tally.name.set(name);
        self
    }

    /// Gives what is fresh, or what `op` gives, or a stale value in place of an eligible error.
    ///
    /// The cache is looked into at the first poll. `op` is called only by a call that begins an
    /// execution, and its future owns what it needs, since other calls may finish it; see
    /// [`SingleFlight`], also for the [`Cx`] that it gets.
    ///
    /// # Errors
    ///
    /// The operation's own error, or a clone of one that is remembered.
    ///
    /// # Panics
    ///
    /// A panic of the operation reaches one of those who share it, and nothing is stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the execution to the other callers; the last one to be dropped
    /// drops it, and nothing is stored.
    pub fn run_keyed<'a, Op, Fut>(
        &'a self,
        key: &'a K,
        cx: Cx,
        op: Op,
    ) -> CachedCall<'a, K, V, E, F, C, P, impl Future<Output = Outcome<V, E>>>
    where
        F: JudgeFreshness<V, E> + Clone + 'static,
        C: 'static,
        P: Eligible<E> + Clone + 'static,
        Op: Fn(Cx) -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let miss = self.flights.run_keyed(key, cx, move |cx| {
            let tickets = self.tickets(key);
            match self.fresh(key) {
                Some(out) => Fetch::found(out),
                None => Fetch::call(self.clone(), key.clone(), tickets, op(cx)),
            }
        });
        CachedCall::new(self, key, miss)
    }

    /// Returns what is fresh, without a call; it counts as a hit.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Result<V, E>> {
        let found = self.fresh(key);
        if found.is_some() {
            self.shared.tally.hit();
        }
        found
    }

    /// Removes what is stored for `key`. Calls that begin later neither join an execution that is
    /// under way, nor see what it gives: that reaches those who wait for it, and is not stored.
    pub fn invalidate(&self, key: &K) {
        self.values.invalidate(key);
        self.shared.errors.invalidate(key);
        self.flights.forget(key);
    }

    /// Removes everything, as [`invalidate`](Self::invalidate) does for one key.
    pub fn clear(&self) {
        self.values.clear();
        self.shared.errors.clear();
        self.flights.forget_all();
    }

    /// Takes new settings. What is stored keeps the freshness that it was given.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range, and a `max_weight` or `max_errors` other than
    /// those of the beginning, which are fixed; the old settings then stay.
    pub fn reconfigure(&self, config: CacheConfig) -> Result<(), InvalidConfig> {
        let old = self.config();
        InvalidConfig::join([
            config.validate(),
            InvalidConfig::check([
                ("max_weight", fixed(old.max_weight, config.max_weight)),
                ("max_errors", fixed(old.max_errors, config.max_errors)),
            ]),
        ])?;
        self.flights
            .reconfigure(FlightConfig::new().max_flights(config.max_flights))?;
        self.shared.config.hold(|in_force| *in_force = config);
        Ok(())
    }

    /// Returns the numbers: `hits`, `misses` (calls that found nothing fresh, whether they began
    /// an execution or joined one), `flights` (executions), `stale` (executions whose error a stale
    /// value stood in for), `evictions` (values and errors that went, or were not taken in, for
    /// want of room), `entries` and their `weight`, and `errors` remembered.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        let shared = &self.shared;
        let (values, errors) = (self.values.store().numbers(), shared.errors.numbers());
        let flights = self.flights.snapshot().counter("flights").unwrap_or(0);
        PolicySnapshot::new("cache")
            .with_counter("hits", shared.tally.hits())
            .with_counter("misses", shared.tally.misses())
            .with_counter("flights", flights)
            .with_counter("stale", self.values.served())
            .with_counter("evictions", values.evicted + errors.evicted)
            .with_counter("entries", values.entries)
            .with_counter("weight", values.weight)
            .with_counter("errors", errors.entries)
    }

    /// Returns whether nobody could tell this cache from a new one: it has stored and counted
    /// nothing, no call is under way, and no other handle shares it.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        let shared = &self.shared;
        is_unshared(shared)
            && self.values.is_pristine()
            && self.flights.is_pristine()
            && shared.errors.kept() == 0
            && shared.tally.hits() == 0
            && shared.tally.misses() == 0
    }

    fn fresh(&self, key: &K) -> Option<Result<V, E>> {
        let now = self.values.now();
        match self.values.store().fresh(key, now) {
            Some(value) => Some(Ok(value)),
            None => self.shared.errors.fresh(key, now).map(Err),
        }
    }

    fn missed(&self) {
        self.shared.tally.miss();
    }
}

impl<K, V, E, F: Clone, C, P: Clone> Clone for ResponseCache<K, V, E, F, C, P> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            flights: self.flights.clone(),
            freshness: self.freshness.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V, E, F, C, P> fmt::Debug for ResponseCache<K, V, E, F, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache")
            .field("name", &self.shared.tally.name.get())
            .field("config", &self.config())
            .field("hits", &self.shared.tally.hits())
            .field("misses", &self.shared.tally.misses())
            .finish_non_exhaustive()
    }
}
