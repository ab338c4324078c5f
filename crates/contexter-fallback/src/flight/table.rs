//! The flights under way, by key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::task::Waker;

use super::execution::{Execution, Flight, Step};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Enough that a few dozen threads with different keys rarely meet; a model needs only one.
#[cfg(not(all(test, contexter_loom)))]
const SHARDS: usize = 32;
#[cfg(all(test, contexter_loom))]
const SHARDS: usize = 1;

pub(crate) struct Table<K, V> {
    shards: [Mutex<HashMap<K, Arc<Flight<V>>>>; SHARDS],
    hasher: RandomState,
    active: AtomicUsize,
    max_flights: AtomicUsize,
}

/// How a call came aboard.
pub(crate) enum Boarded<'a, K: Hash + Eq, V> {
    /// It is the first of its key.
    First(Caller<'a, K, V>),
    /// It joined a flight under way.
    Joined(Caller<'a, K, V>),
    /// There are as many flights as there may be.
    Refused,
}

impl<K: Hash + Eq, V> Table<K, V> {
    pub(crate) fn new(max_flights: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            hasher: RandomState::new(),
            active: AtomicUsize::new(0),
            max_flights: AtomicUsize::new(max_flights),
        }
    }

    pub(crate) fn max_flights(&self) -> usize {
        self.max_flights.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max_flights(&self, max_flights: usize) {
        self.max_flights.store(max_flights, Ordering::Relaxed);
    }

    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    pub(crate) fn board<'a>(&'a self, key: &'a K) -> Boarded<'a, K, V>
    where
        K: Clone,
    {
        let caller = |flight, id| Caller {
            table: self,
            key,
            flight,
            id,
        };
        let (boarded, replaced) = self.shard(key).hold(|flights| {
            if let Some(flight) = flights.get(key)
                && let Some(id) = flight.board()
            {
                return (Boarded::Joined(caller(Arc::clone(flight), id)), None);
            }
            if !self.reserve() {
                return (Boarded::Refused, None);
            }
            let flight = Arc::new(Flight::new());
            // One that is over may still be listed; whoever takes it out compares first.
            let replaced = flights.insert(key.clone(), Arc::clone(&flight));
            (Boarded::First(caller(flight, 0)), replaced)
        });
        drop(replaced);
        boarded
    }

    /// Takes the flight of `key` out, so that the next call begins one of its own. Those aboard
    /// stay aboard.
    pub(crate) fn forget(&self, key: &K) {
        let forgotten = self.shard(key).hold(|flights| flights.remove_entry(key));
        drop(forgotten);
    }

    pub(crate) fn forget_all(&self) {
        for shard in &self.shards {
            let forgotten = shard.hold(std::mem::take);
            drop(forgotten);
        }
    }

    /// Takes a place for one more flight; its end gives it back.
    fn reserve(&self) -> bool {
        let max_flights = self.max_flights();
        let mut active = self.active.load(Ordering::Relaxed);
        while active < max_flights {
            match self.active.compare_exchange_weak(
                active,
                active + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(found) => active = found,
            }
        }
        false
    }

    fn unlist(&self, key: &K, flight: &Arc<Flight<V>>) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        let unlisted = self.shard(key).hold(|flights| {
            let listed = flights
                .get(key)
                .is_some_and(|listed| Arc::ptr_eq(listed, flight));
            listed.then(|| flights.remove_entry(key))
        });
        drop(unlisted);
    }

    fn shard(&self, key: &K) -> &Mutex<HashMap<K, Arc<Flight<V>>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards
            .get(hash)
            .expect("a remainder of the number of shards is below it")
    }
}

/// One call aboard a flight. Dropping it leaves the flight.
pub(crate) struct Caller<'a, K: Hash + Eq, V> {
    table: &'a Table<K, V>,
    key: &'a K,
    flight: Arc<Flight<V>>,
    id: u64,
}

impl<K: Hash + Eq, V: Clone + Send + Sync + 'static> Caller<'_, K, V> {
    pub(crate) fn poll(&self, waker: &Waker, begin: impl FnOnce() -> Execution<V>) -> Step<V> {
        self.flight.poll(self.id, waker, begin)
    }
}

impl<K: Hash + Eq, V> Drop for Caller<'_, K, V> {
    fn drop(&mut self) {
        if self.flight.leave(self.id) {
            self.table.unlist(self.key, &self.flight);
        }
    }
}
