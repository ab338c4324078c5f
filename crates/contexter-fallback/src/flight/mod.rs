//! The handle to shared executions.

mod call;
mod config;
mod execution;
mod table;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use contexter_service::{Cx, Event, InvalidConfig, PolicySnapshot, is_unshared};

pub use call::SharedCall;
pub use config::FlightConfig;

use crate::announce::Name;
use crate::sync::{AtomicU64, Ordering};
use table::{Boarded, Caller, Table};

/// Lets concurrent calls of one key share one execution.
///
/// The first call of a key begins an execution; those that come while it runs join it, and each
/// gets a clone of its outcome `V`. For fallible operations `V` is a `Result<T, E>` with an `E`
/// that is `Clone`, such as `Arc<Error>`. Once the execution has ended, the next call begins anew:
/// nothing is kept. Clones of the handle share the executions.
///
/// The execution belongs to all its callers and to no task. Whichever of them is polled polls it,
/// so no runtime is needed and dropping the call that began it loses nothing; dropping the last
/// caller drops the execution. It therefore owns what it needs (`Fut: 'static`, an `Arc` of the
/// client), and its [`Cx`] has no deadline: a caller's own time is the business of a timeout
/// around [`run_keyed`](Self::run_keyed), which ends that caller's wait and nothing else. Apart from
/// the deadline, the execution sees the [`Cx`] of the call that began it; spans and task-locals are
/// those of whoever polls.
///
/// A panic of the execution reaches the caller whose poll it was. The others then run again, with
/// the operation that each brought along, and share that execution in turn; so every caller ends
/// with an outcome or a panic of its own. Share only what does no harm twice.
///
/// There are at most [`max_flights`](FlightConfig::max_flights) executions; beyond, a call runs
/// alone, unshared, and is counted as such. An operation must not wait for a call of its own key.
///
/// A flight allocates its shared state and the box of its future, and clones the key; a call that
/// waits allocates room for its waker.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use contexter_fallback::{FlightConfig, SingleFlight};
/// use contexter_service::Cx;
///
/// type Page = Result<Arc<str>, Arc<std::io::Error>>;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let flights = SingleFlight::<String, Page>::new(FlightConfig::new())?;
/// let url = "https://docs.rs".to_owned();
/// let fetch = |_cx| async {
///     tokio::task::yield_now().await;
///     Ok(Arc::from("the page"))
/// };
/// let (one, other) = tokio::join!(
///     flights.run_keyed(&url, Cx::new(), fetch),
///     flights.run_keyed(&url, Cx::new(), fetch),
/// );
/// assert!(Arc::ptr_eq(&one?, &other?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SingleFlight<K, V> {
    shared: Arc<Shared<K, V>>,
}

/// What the handles and the calls share.
pub(crate) struct Shared<K, V> {
    table: Table<K, V>,
    name: Name,
    flights: AtomicU64,
    joined: AtomicU64,
    unshared: AtomicU64,
}

impl<K: Hash + Eq, V> Shared<K, V> {
    /// Comes aboard a flight of `key`, unless there are too many.
    fn board<'a>(&'a self, key: &'a K) -> Option<Caller<'a, K, V>>
    where
        K: Clone,
    {
        match self.table.board(key) {
            Boarded::First(caller) => Some(caller),
            Boarded::Joined(caller) => {
                self.joined.fetch_add(1, Ordering::Relaxed);
                self.name.tell(Event::FlightJoined, |words| {
                    tracing::debug!(
                        name = words.name,
                        mechanism = words.mechanism,
                        event = words.event,
                        "a call joined one under way"
                    );
                });
                Some(caller)
            }
            Boarded::Refused => {
                self.unshared.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Counts an execution.
    fn began(&self) {
        self.flights.fetch_add(1, Ordering::Relaxed);
    }
}

impl<K: Hash + Eq, V> SingleFlight<K, V> {
    /// Makes a table without flights.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: FlightConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            shared: Arc::new(Shared {
                table: Table::new(config.max_flights),
                name: Name::default(),
                flights: AtomicU64::new(0),
                joined: AtomicU64::new(0),
                unshared: AtomicU64::new(0),
            }),
        })
    }

    /// Gives the flights the name under which their events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.name.set(name.into());
        self
    }

    /// Joins the execution of `key` that is under way, or begins one with `op`.
    ///
    /// Nothing happens before the first poll. `op` is called only by a call that begins an
    /// execution: the first of its key, or one that runs again after a panic.
    ///
    /// # Panics
    ///
    /// The panic of an execution reaches the one caller whose poll it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the execution to the other callers; the last one to be dropped
    /// drops it.
    pub fn run_keyed<'a, Op, Fut>(
        &'a self,
        key: &'a K,
        cx: Cx,
        op: Op,
    ) -> SharedCall<'a, K, V, Op, Fut>
    where
        K: Clone,
        V: Clone + Send + Sync + 'static,
        Op: Fn(Cx) -> Fut,
        Fut: Future<Output = V> + Send + 'static,
    {
        SharedCall::new(&self.shared, key, cx, op)
    }

    /// Lets the next call of `key` begin an execution of its own. The calls that share the present
    /// one keep it.
    pub fn forget(&self, key: &K) {
        self.shared.table.forget(key);
    }

    /// Forgets every key, as [`forget`](Self::forget) does one.
    pub fn forget_all(&self) {
        self.shared.table.forget_all();
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> FlightConfig {
        FlightConfig {
            max_flights: self.shared.table.max_flights(),
        }
    }

    /// Takes new settings; flights under way stay.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: FlightConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.shared.table.set_max_flights(config.max_flights);
        Ok(())
    }

    /// Returns the numbers: `flights` (executions begun), `joined` (calls that shared one),
    /// `unshared` (calls that ran alone because there were too many flights) and `active`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        let shared = &self.shared;
        PolicySnapshot::new("single_flight")
            .with_counter("flights", shared.flights.load(Ordering::Relaxed))
            .with_counter("joined", shared.joined.load(Ordering::Relaxed))
            .with_counter("unshared", shared.unshared.load(Ordering::Relaxed))
            .with_counter(
                "active",
                u64::try_from(shared.table.active()).unwrap_or(u64::MAX),
            )
    }

    /// Returns whether nobody could tell these flights from new ones: none is under way, nothing
    /// was counted, and no other handle shares them.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        let shared = &self.shared;
        is_unshared(shared)
            && shared.table.active() == 0
            && shared.flights.load(Ordering::Relaxed) == 0
            && shared.joined.load(Ordering::Relaxed) == 0
            && shared.unshared.load(Ordering::Relaxed) == 0
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K: Hash + Eq, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("name", &self.shared.name.get())
            .field("active", &self.shared.table.active())
            .finish_non_exhaustive()
    }
}
