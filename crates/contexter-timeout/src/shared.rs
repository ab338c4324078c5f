//! What all handles to one timeout share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contexter_service::{Event, InvalidConfig};

#[derive(Debug)]
pub(crate) struct Shared<T> {
    pub(crate) timer: T,
    /// In nanoseconds.
    limit: AtomicU64,
    elapsed: AtomicU64,
    name: OnceLock<Arc<str>>,
}

impl<T> Shared<T> {
    pub(crate) fn new(limit: Duration, timer: T) -> Result<Self, InvalidConfig> {
        Ok(Self {
            timer,
            limit: AtomicU64::new(checked(limit)?),
            elapsed: AtomicU64::new(0),
            name: OnceLock::new(),
        })
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    pub(crate) fn set_limit(&self, limit: Duration) -> Result<(), InvalidConfig> {
        self.limit.store(checked(limit)?, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays: the timeout may be shared by then.
        let _ = self.name.set(name);
    }

    /// Returns how many calls had no time left.
    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// Counts and tells that the time of a call was over.
    #[cold]
    pub(crate) fn tell_elapsed(&self, after: Duration) {
        self.elapsed.fetch_add(1, Ordering::Relaxed);
        let event = Event::TimeoutElapsed;
        let name = self.name.get();
        // A listener that panics must not take the outcome of the call with it; the panic hook has
        // reported it.
        let told = catch_unwind(AssertUnwindSafe(|| {
            event.count(name);
            tracing::debug!(
                name = name.map(|name| &**name),
                mechanism = event.mechanism(),
                event = event.as_str(),
                ?after,
                "the time of a call is over"
            );
        }));
        drop(told);
    }
}

/// Five hundred years in nanoseconds fit; more is the same.
fn checked(limit: Duration) -> Result<u64, InvalidConfig> {
    InvalidConfig::check([(
        "timeout",
        limit
            .is_zero()
            .then(|| "must be longer than zero, got 0s".to_owned()),
    )])?;
    Ok(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
}
