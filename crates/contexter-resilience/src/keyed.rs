//! One instance for each key, in bounded memory.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use contexter_service::InvalidConfig;
use indexmap::IndexMap;
use indexmap::map::raw_entry_v1::{RawEntryApiV1, RawEntryMut};
use parking_lot::Mutex;

use crate::Pristine;

/// The most shards; more would only help where more threads than this meet.
const MAX_SHARDS: usize = 16;
/// The fewest keys of a shard, so that an uneven spread of hashes fills none early.
const MIN_KEYS: usize = 64;
/// How many instances are looked at for one to forget, so that an insertion into a full table of
/// busy instances stays cheap.
const MAX_STEPS: usize = 64;

/// One instance for each key: a breaker for each host, a rate limiter for each tenant.
///
/// Instances are made when their key is first asked for, outside any lock. The table is sharded and
/// holds at most `max_keys`; room for a new key is made by forgetting an instance that
/// [is pristine](Pristine::is_pristine), which nobody can observe. An instance with failures,
/// an open breaker, a permit out or another handle to it is never forgotten.
///
/// When there is no room and nothing to forget, the key shares one common overflow instance with
/// all others in this place: its calls stay guarded and memory stays bounded.
/// [`overflowed`](Self::overflowed) counts them; if it grows, raise `max_keys`.
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Breaker, Config};
/// use contexter_resilience::Keyed;
///
/// let breakers = Keyed::new(10_000, |host: &String| {
///     Breaker::new(Config::new())
///         .expect("the default settings are in range")
///         .named(host.as_str())
/// })?;
/// let breaker = breakers.get("api.example.com");
/// assert_eq!(breaker.failure_count(), 0);
/// assert_eq!(breakers.len(), 1);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
pub struct Keyed<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    keys_per_shard: usize,
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
            keys_per_shard: max_keys / shards,
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
        // Made outside the lock: what the caller's closure does is not ours to know.
        let made = (self.make)(&key);
        let mut shard = shard.lock();
        if shard.instances.len() >= self.keys_per_shard
            && shard
                .instances
                .raw_entry_v1()
                .from_hash(hash, |known| *known == key)
                .is_none()
        {
            if !shard.forget_one() {
                drop(shard);
                self.overflowed.fetch_add(1, Ordering::Relaxed);
                return self.overflow.lock().get_or_insert(made).clone();
            }
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        match shard
            .instances
            .raw_entry_mut_v1()
            .from_hash(hash, |known| *known == key)
        {
            RawEntryMut::Occupied(other) => other.get().clone(),
            RawEntryMut::Vacant(place) => place.insert_hashed_nocheck(hash, key, made).1.clone(),
        }
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
    /// Forgets one pristine instance, unless none of the next few is.
    ///
    /// A handle is only given out under the shard's lock, which is held: an instance without
    /// another handle stays so.
    fn forget_one(&mut self) -> bool {
        for _ in 0..self.instances.len().min(MAX_STEPS) {
            if self.hand >= self.instances.len() {
                self.hand = 0;
            }
            match self.instances.get_index(self.hand) {
                Some((_, instance)) if instance.is_pristine() => {
                    // The last one takes its place, and is looked at next.
                    self.instances.swap_remove_index(self.hand);
                    return true;
                }
                _ => self.hand += 1,
            }
        }
        false
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
