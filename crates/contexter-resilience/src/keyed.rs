//! One instance for each key, in bounded memory.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use contexter_service::InvalidConfig;
use indexmap::IndexMap;
use indexmap::map::raw_entry_v1::RawEntryApiV1;
use parking_lot::Mutex;

use crate::Pristine;

/// The most shards; more would only help where more threads than this meet.
const MAX_SHARDS: usize = 16;
/// The fewest keys of a shard on average, so that each has some to forget when the table is full.
const MIN_KEYS: usize = 64;
/// How many instances are looked at for one to forget, so that an insertion into a full table of
/// busy instances stays cheap.
const MAX_STEPS: usize = 64;

/// One instance for each key: a breaker for each host, a rate limiter for each tenant.
///
/// Instances are made when their key is first asked for, outside any lock. The table is sharded and
/// holds at most `max_keys`; room for a new key is made by forgetting an instance that
/// [is pristine](Pristine::is_pristine): only its statistics are lost, or what it learned long ago.
/// An instance with recent failures, an open breaker, a quota in use, a permit out or another handle
/// to it is never forgotten.
///
/// When there is no room and nothing to forget, the key shares one common overflow instance with
/// all others in this place: its calls stay guarded and memory stays bounded.
/// [`overflowed`](Self::overflowed) counts them; if it grows, raise `max_keys`.
///
/// Metrics are labelled by the names of instances. Give all of them one name, or none, unless the
/// keys are few: hosts of your own, not whatever a request names.
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Breaker, Config};
/// use contexter_resilience::Keyed;
///
/// let breakers = Keyed::new(10_000, |_host: &String| {
///     Breaker::new(Config::new()).expect("the default settings are in range")
/// })?;
/// let breaker = breakers.get("api.example.com");
/// assert_eq!(breaker.failure_count(), 0);
/// assert_eq!(breakers.len(), 1);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
pub struct Keyed<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    /// For all shards together: hashes never fall on them evenly.
    max_keys: usize,
    /// How many keys have or are about to get an instance.
    taken: AtomicUsize,
    hasher: RandomState,
    make: Box<dyn Fn(&K) -> V + Send + Sync>,
    overflow: Mutex<Option<V>>,
    overflowed: AtomicU64,
    forgotten: AtomicU64,
}

struct Shard<K, V> {
    /// Hashed by `Keyed::hasher`, whose hashes are passed in.
    instances: IndexMap<K, V, RandomState>,
    /// Where the search for an instance to forget goes on.
    hand: usize,
}

impl<K, V> Keyed<K, V>
where
    K: Hash + Eq,
    V: Clone + Pristine,
{
    /// Creates an empty table of at most `max_keys` instances, each made by `make`.
    ///
    /// # Errors
    ///
    /// Returns a fault if `max_keys` is zero.
    pub fn new(
        max_keys: usize,
        make: impl Fn(&K) -> V + Send + Sync + 'static,
    ) -> Result<Self, InvalidConfig> {
        InvalidConfig::check([(
            "max_keys",
            (max_keys == 0).then(|| "must be at least 1, got 0".to_owned()),
        )])?;
        let shards = (max_keys / MIN_KEYS).clamp(1, MAX_SHARDS);
        let hasher = RandomState::new();
        let shard = || Shard {
            instances: IndexMap::with_hasher(hasher.clone()),
            hand: 0,
        };
        Ok(Self {
            shards: (0..shards).map(|_| Mutex::new(shard())).collect(),
            max_keys,
            taken: AtomicUsize::new(0),
            hasher,
            make: Box::new(make),
            overflow: Mutex::new(None),
            overflowed: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        })
    }

    /// Returns the instance of `key`, made now if there is none.
    ///
    /// All callers with one key get the same instance, under a race as well. A key that has an
    /// instance is found without allocating.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        let found = shard
            .lock()
            .instances
            .raw_entry_v1()
            .from_hash(hash, |known| known.borrow() == key)
            .map(|(_, instance)| instance.clone());
        found.unwrap_or_else(|| self.insert(shard, hash, key.to_owned()))
    }

    #[cold]
    fn insert(&self, shard: &Mutex<Shard<K, V>>, hash: u64, key: K) -> V {
        // Made outside the lock: what the caller's closure does is not ours to know. What goes is
        // dropped outside of it as well: it is declared before the guard.
        let made = (self.make)(&key);
        let gone;
        let mut shard = shard.lock();
        let instances = shard.instances.raw_entry_v1();
        if let Some((_, other)) = instances.from_hash(hash, |known| *known == key) {
            return other.clone();
        }
        if !self.take_place() {
            gone = shard.forget_one();
            if gone.is_none() {
                drop(shard);
                return self.share(made);
            }
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        shard.instances.insert(key, made.clone());
        made
    }

    /// Takes a place for one more key. Places are never given back: who forgets one takes it over.
    fn take_place(&self) -> bool {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.max_keys).then_some(taken + 1)
            })
            .is_ok()
    }

    /// Returns the common instance of keys without a place: `made`, if there is none yet.
    fn share(&self, made: V) -> V {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        let mut common = self.overflow.lock();
        if let Some(common) = &*common {
            return common.clone();
        }
        *common = Some(made.clone());
        made
    }

    /// Calls `look` with every key and its instance, shard by shard: for health pages. `look` runs
    /// under a lock of the table and must not call it.
    pub fn for_each(&self, mut look: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            for (key, instance) in &shard.lock().instances {
                look(key, instance);
            }
        }
    }
}

impl<K, V> Keyed<K, V> {
    fn shard(&self, hash: u64) -> &Mutex<Shard<K, V>> {
        // The table inside a shard uses the lowest and the highest bits.
        let [.., a, b, _, _] = hash.to_be_bytes().map(usize::from);
        let index = (a << 8 | b) % self.shards.len();
        self.shards
            .get(index)
            .expect("the remainder is below the number of shards")
    }

    /// Returns how many keys have an instance of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().instances.len())
            .sum()
    }

    /// Returns whether no key has an instance.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how often a key was given the common overflow instance.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Returns how many pristine instances were forgotten to make room.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }
}

impl<K, V: Pristine> Shard<K, V> {
    /// Takes one pristine instance out, unless none of the next few is.
    ///
    /// A handle is only given out under the shard's lock, which is held: an instance without
    /// another handle stays so.
    fn forget_one(&mut self) -> Option<(K, V)> {
        for _ in 0..self.instances.len().min(MAX_STEPS) {
            if self.hand >= self.instances.len() {
                self.hand = 0;
            }
            match self.instances.get_index(self.hand) {
                // The last one takes its place, and is looked at next.
                Some((_, instance)) if instance.is_pristine() => {
                    return self.instances.swap_remove_index(self.hand);
                }
                _ => self.hand += 1,
            }
        }
        None
    }
}

impl<K, V> fmt::Debug for Keyed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("len", &self.len())
            .field("overflowed", &self.overflowed())
            .finish_non_exhaustive()
    }
}
