//! A bounded store of values that know their age.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use crate::Freshness;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Over how many fences the keys are spread. Two keys of one fence only make each other's value
/// under way go unstored when one of them is invalidated meanwhile.
const FENCES: usize = 64;

/// Values by key, bounded by weight. `moka` bounds and evicts; when a value is of use is decided
/// here, by the clock of the caller, which a test can move.
pub(crate) struct Store<K, V> {
    entries: Cache<K, Kept<V>, RandomState>,
    fences: [Mutex<u64>; FENCES],
    hasher: RandomState,
    kept: AtomicU64,
    evicted: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    since: Instant,
    freshness: Freshness,
    weight: u32,
}

/// The right to store what an operation gives, unless its key is invalidated first: a value that
/// was asked for before must not come back after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    fence: usize,
    epoch: u64,
}

/// What is in a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) entries: u64,
    pub(crate) weight: u64,
    /// How many values had to go, or were not taken in, because the store was full.
    pub(crate) evicted: u64,
}

impl<K, V> Store<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(max_weight: u64) -> Self {
        let hasher = RandomState::new();
        let evicted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&evicted);
        let entries = Cache::builder()
            .max_capacity(max_weight)
            .weigher(|_key, kept: &Kept<V>| kept.weight)
            .eviction_listener(move |_key, _kept, cause| {
                if cause == RemovalCause::Size {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(hasher.clone());
        Self {
            entries,
            fences: std::array::from_fn(|_| Mutex::new(0)),
            hasher,
            kept: AtomicU64::new(0),
            evicted,
        }
    }

    /// Returns the value if it is fresh.
    pub(crate) fn fresh(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.entries.get(key)?;
        let fresh = kept.freshness.is_fresh(kept.age(now));
        fresh.then_some(kept.value)
    }

    /// Returns the value and its age if it may stand in for an error.
    pub(crate) fn usable_on_error(&self, key: &K, now: Instant) -> Option<(V, Duration)> {
        let kept = self.entries.get(key)?;
        let age = kept.age(now);
        let usable = kept.freshness.is_usable_on_error(age);
        usable.then_some((kept.value, age))
    }

    /// Allows to store what an operation gives that begins now.
    pub(crate) fn ticket(&self, key: &K) -> Ticket {
        let fence = self.fence(key);
        Ticket {
            fence,
            epoch: self.at(fence).hold(|epoch| *epoch),
        }
    }

    /// Stores a value, unless its key was invalidated since the ticket was given.
    pub(crate) fn keep(
        &self,
        ticket: Ticket,
        key: K,
        value: V,
        freshness: Freshness,
        weight: u32,
        now: Instant,
    ) {
        let kept = Kept {
            value,
            since: now,
            freshness,
            weight,
        };
        // Under the lock, so that an invalidation comes either before, and is seen, or after, and
        // removes the value.
        self.at(ticket.fence).hold(|epoch| {
            if *epoch == ticket.epoch {
                self.entries.insert(key, kept);
                self.kept.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    pub(crate) fn invalidate(&self, key: &K) {
        self.at(self.fence(key)).hold(|epoch| {
            *epoch = epoch.wrapping_add(1);
            self.entries.invalidate(key);
        });
    }

    pub(crate) fn clear(&self) {
        for fence in &self.fences {
            fence.hold(|epoch| *epoch = epoch.wrapping_add(1));
        }
        self.entries.invalidate_all();
    }

    /// Returns how many values were ever stored.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Returns the numbers, after the work that `moka` puts off.
    pub(crate) fn numbers(&self) -> Numbers {
        self.entries.run_pending_tasks();
        Numbers {
            entries: self.entries.entry_count(),
            weight: self.entries.weighted_size(),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    fn fence(&self, key: &K) -> usize {
        usize::try_from(self.hasher.hash_one(key) % FENCES as u64).unwrap_or(0)
    }

    fn at(&self, fence: usize) -> &Mutex<u64> {
        self.fences
            .get(fence)
            .expect("a remainder of the number of fences is below it")
    }
}

impl<V> Kept<V> {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}
