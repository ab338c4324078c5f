//! A clock that only moves when a test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::{Clock, StdClock, Timer, later};

/// A clock and timer that stand still until [`advance`](Self::advance) is called.
///
/// Clones share one time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_service::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now() - start, Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

struct State {
    now: Instant,
    next_id: u64,
    sleepers: BTreeMap<(Instant, u64), Waker>,
}

impl ManualClock {
    /// Creates a clock that stands at the present moment.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                now: StdClock.now(),
                next_id: 0,
                sleepers: BTreeMap::new(),
            })),
        }
    }

    /// Moves the time on and wakes every wait that is over by then.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.lock();
        state.now = later(state.now, duration);
        // Ids start at zero, so this keeps exactly the waits that end after now.
        let bound = (later(state.now, Duration::from_nanos(1)), 0);
        let pending = state.sleepers.split_off(&bound);
        let due = std::mem::replace(&mut state.sleepers, pending);
        drop(state);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Returns how many waits are registered.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("now", &self.lock().now)
            .finish_non_exhaustive()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.lock().now
    }
}

impl Timer for ManualClock {
    type Sleep = ManualSleep;

    fn sleep_until(&self, deadline: Instant) -> ManualSleep {
        let mut state = self.lock();
        state.next_id += 1;
        let key = (deadline, state.next_id);
        drop(state);
        ManualSleep {
            clock: self.clone(),
            key,
        }
    }
}

/// A wait on a [`ManualClock`]. It is registered by its first poll and unregistered when dropped.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ManualSleep {
    clock: ManualClock,
    key: (Instant, u64),
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if self.key.0 <= state.now {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.key);
    }
}
