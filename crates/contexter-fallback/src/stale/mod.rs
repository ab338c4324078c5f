//! The handle to the last good values.

mod call;
mod config;
mod served;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_service::{
    Clock, Cx, DefaultClock, Event, InvalidConfig, PolicySnapshot, is_unshared,
};

pub use call::StaleCall;
pub use config::StaleConfig;
pub use served::Served;

use crate::announce::Name;
use crate::store::{Store, Ticket};
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{AnyError, Eligible, Freshness};

/// Keeps the last good value of each key and serves it when a call fails (`stale-if-error`,
/// RFC 5861).
///
/// Every call goes to the far side; only an eligible error makes the last good value stand in, no
/// longer than [`stale_if_error_for`](StaleConfig::stale_if_error_for) after it was given, and what
/// the caller gets says so. Where fresh values should spare the far side, use a
/// [`ResponseCache`](crate::ResponseCache), which contains this.
///
/// The values are bounded by weight; the least useful ones go first. Clones share the values. Each
/// success clones the key and the value, so give a large value an `Arc`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `C` | [`DefaultClock`] | where the time is read |
/// | `P` | [`AnyError`] | for which errors a stale value may stand in |
///
/// # Examples
///
/// ```
/// use contexter_fallback::{Served, StaleConfig, StaleValue};
/// use contexter_service::Cx;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let rates = StaleValue::<&str, f64>::new(StaleConfig::new())?;
/// rates.run_keyed(&"EUR", Cx::new(), |_cx| async { Ok::<_, &str>(1.08) }).await?;
///
/// let rate = rates.run_keyed(&"EUR", Cx::new(), |_cx| async { Err("timed out") }).await?;
/// assert!(matches!(rate, Served::Stale { value: 1.08, error: "timed out", .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StaleValue<K, V, C = DefaultClock, P = AnyError> {
    shared: Arc<Shared<K, V, C>>,
    when: P,
    weigh: fn(&K, &V) -> u32,
}

struct Shared<K, V, C> {
    store: Store<K, V>,
    clock: C,
    config: Mutex<StaleConfig>,
    name: Name,
    served: AtomicU64,
}

impl<K, V> StaleValue<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Makes it on the [`DefaultClock`], for any error.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: StaleConfig) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<K, V, C> StaleValue<K, V, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    C: Clock,
{
    /// Makes it with the time of `clock`, for any error.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_clock(config: StaleConfig, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            shared: Arc::new(Shared {
                store: Store::new(config.max_weight),
                clock,
                config: Mutex::new(config),
                name: Name::default(),
                served: AtomicU64::new(0),
            }),
            when: AnyError,
            weigh: |_key, _value| 1,
        })
    }
}

impl<K, V, C, P> StaleValue<K, V, C, P> {
    /// Returns a handle to the same values that serves them only for the errors that `when` finds
    /// eligible.
    #[must_use]
    pub fn when<P2>(self, when: P2) -> StaleValue<K, V, C, P2> {
        StaleValue {
            shared: self.shared,
            when,
            weigh: self.weigh,
        }
    }

    /// Sets what a value weighs, such as its bytes; 1 by default. A value heavier than all may
    /// weigh together is not kept.
    #[must_use]
    pub fn weigh_by(mut self, weigh: fn(&K, &V) -> u32) -> Self {
        self.weigh = weigh;
        self
    }

    /// Gives it the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.name.set(name.into());
        self
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> StaleConfig {
        self.shared.config.hold(|config| *config)
    }

    pub(super) fn freshness(&self) -> Freshness {
        Freshness::DO_NOT_STORE.stale_if_error_for(self.config().stale_if_error_for)
    }
}

impl<K, V, C, P> StaleValue<K, V, C, P>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    C: Clock,
{
    /// Runs `op` and keeps its value, or serves the last good value of `key` for an eligible error.
    ///
    /// `op` is called at the first poll.
    ///
    /// # Errors
    ///
    /// The operation's own error, unchanged, if it is not eligible or no value is recent enough.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation and keeps nothing.
    pub fn run_keyed<'a, E, Op, Fut>(
        &'a self,
        key: &'a K,
        cx: Cx,
        op: Op,
    ) -> StaleCall<'a, K, V, C, P, Op, Fut>
    where
        P: Eligible<E>,
        Op: FnOnce(Cx) -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        StaleCall::new(self, key, cx, op)
    }

    /// Returns the last good value of `key` and its age, if it may still stand in for an error.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<(V, Duration)> {
        self.shared.store.usable_on_error(key, self.now())
    }

    /// Forgets the value of `key`, and does not keep what calls under way give for it.
    pub fn invalidate(&self, key: &K) {
        self.shared.store.invalidate(key);
    }

    /// Forgets all values, and does not keep what calls under way give.
    pub fn clear(&self) {
        self.shared.store.clear();
    }

    /// Takes new settings. A value keeps the time that it was given when it was stored.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range, and a `max_weight` other than that of the
    /// beginning, which is fixed; the old settings then stay.
    pub fn reconfigure(&self, config: StaleConfig) -> Result<(), InvalidConfig> {
        InvalidConfig::join([
            config.validate(),
            InvalidConfig::check([(
                "max_weight",
                fixed(self.config().max_weight, config.max_weight),
            )]),
        ])?;
        self.shared.config.hold(|in_force| *in_force = config);
        Ok(())
    }

    /// Returns the numbers: `entries` and their `weight`, values `stored` so far, stale values
    /// `served`, and `evictions` (values that went, or were not taken in, for want of room).
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        let numbers = self.shared.store.numbers();
        PolicySnapshot::new("stale_value")
            .with_counter("entries", numbers.entries)
            .with_counter("weight", numbers.weight)
            .with_counter("stored", self.shared.store.kept())
            .with_counter("served", self.served())
            .with_counter("evictions", numbers.evicted)
    }

    /// Returns whether nobody could tell this from a new one: it has stored nothing, and no other
    /// handle shares its values.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared) && self.shared.store.kept() == 0
    }

    /// Keeps a good value, or looks for one that may stand in for the error.
    pub(crate) fn settle<E>(
        &self,
        key: &K,
        ticket: Ticket,
        freshness: Freshness,
        out: Result<V, E>,
    ) -> Result<Served<V, E>, E>
    where
        P: Eligible<E>,
    {
        let error = match out {
            Ok(value) => {
                if !freshness.is_do_not_store() {
                    let weight = (self.weigh)(key, &value);
                    let (key, kept, now) = (key.clone(), value.clone(), self.now());
                    self.shared
                        .store
                        .keep(ticket, key, kept, freshness, weight, now);
                }
                return Ok(Served::Fresh(value));
            }
            Err(error) => error,
        };
        if !self.when.is_eligible(&error) {
            return Err(error);
        }
        let Some((value, age)) = self.get(key) else {
            return Err(error);
        };
        self.shared.served.fetch_add(1, Ordering::Relaxed);
        self.shared.name.tell(Event::StaleServed, |words| {
            tracing::debug!(
                name = words.name,
                mechanism = words.mechanism,
                event = words.event,
                age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
                "a stale value stood in for an error"
            );
        });
        Ok(Served::Stale { value, age, error })
    }

    pub(crate) fn ticket(&self, key: &K) -> Ticket {
        self.shared.store.ticket(key)
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    pub(crate) fn store(&self) -> &Store<K, V> {
        &self.shared.store
    }

    pub(crate) fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }
}

/// The bound of a store is fixed when it is made.
pub(crate) fn fixed(given: u64, wanted: u64) -> Option<String> {
    (given != wanted).then(|| format!("cannot change while in use: is {given}, got {wanted}"))
}

impl<K, V, C, P: Clone> Clone for StaleValue<K, V, C, P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            when: self.when.clone(),
            weigh: self.weigh,
        }
    }
}

impl<K, V, C, P> fmt::Debug for StaleValue<K, V, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleValue")
            .field("name", &self.shared.name.get())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}
