//! A semaphore with what a mechanism needs around it, and the places in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contexter_service::{Clock, Event, Full};

use super::Semaphore;
use crate::sync::{AtomicU64, Ordering};

/// What all handles to one limit on concurrent calls share.
#[derive(Debug)]
pub struct Room<C> {
    pub(crate) clock: C,
    pub(crate) semaphore: Semaphore,
    /// In nanoseconds.
    max_wait: AtomicU64,
    full: AtomicU64,
    name: OnceLock<Arc<str>>,
}

impl<C> Room<C> {
    pub(crate) fn new(limit: usize, max_queue: usize, max_wait: Duration, clock: C) -> Self {
        Self {
            clock,
            semaphore: Semaphore::new(limit, max_queue),
            max_wait: AtomicU64::new(nanos(max_wait)),
            full: AtomicU64::new(0),
            name: OnceLock::new(),
        }
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays: the limit may be shared by then.
        let _ = self.name.set(name);
    }

    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_nanos(self.max_wait.load(Ordering::Relaxed))
    }

    pub(crate) fn set_max_wait(&self, wait: Duration) {
        self.max_wait.store(nanos(wait), Ordering::Relaxed);
    }

    /// Returns how many calls were refused.
    pub(crate) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether nothing runs or waits. What was refused does not matter.
    pub(crate) fn is_as_new(&self) -> bool {
        self.semaphore.running() == 0 && self.semaphore.waiting() == 0
    }

    /// Counts and tells a refusal.
    #[cold]
    pub(crate) fn refuse(&self) -> Full {
        self.full.fetch_add(1, Ordering::Relaxed);
        let limit = self.semaphore.limit();
        let event = Event::BulkheadFull;
        let name = self.name.get();
        // A listener that panics must not take the outcome of the call with it; the panic hook has
        // reported it.
        let told = catch_unwind(AssertUnwindSafe(|| {
            event.count(name);
            tracing::debug!(
                name = name.map(|name| &**name),
                mechanism = event.mechanism(),
                event = event.as_str(),
                limit,
                "a limit on concurrent calls refused a call"
            );
        }));
        drop(told);
        Full { limit }
    }
}

/// Five hundred years in nanoseconds fit; more is the same.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A handle to something that has a room, borrowed or owned.
pub trait InRoom {
    /// Where the mechanism reads the time.
    type Clock: Clock;

    /// Returns the room.
    fn room(&self) -> &Room<Self::Clock>;
}

/// A taken place. Dropped, it is given back.
#[derive(Debug)]
pub struct Place<H: InRoom> {
    pub(crate) handle: H,
}

impl<H: InRoom> Place<H> {
    /// Takes a place if there is one.
    #[inline]
    pub(crate) fn try_take(handle: H) -> Result<Self, Full> {
        if handle.room().semaphore.try_enter() {
            Ok(Self { handle })
        } else {
            Err(handle.room().refuse())
        }
    }
}

impl<H: InRoom> Drop for Place<H> {
    #[inline]
    fn drop(&mut self) {
        self.handle.room().semaphore.exit();
    }
}
