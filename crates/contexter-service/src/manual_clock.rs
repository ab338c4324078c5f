//! A clock that only moves when a test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
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

    /// Moves the time on to the end of the wait that ends first, wakes all that are over by then,
    /// and returns how far it moved; `None` if nothing waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use contexter_service::ManualClock;
    ///
    /// assert_eq!(ManualClock::new().advance_to_next_sleeper(), None::<Duration>);
    /// ```
    #[expect(clippy::must_use_candidate, reason = "it is called to move the time")]
    pub fn advance_to_next_sleeper(&self) -> Option<Duration> {
        let state = self.lock();
        let &(next, _id) = state.sleepers.keys().next()?;
        let distance = next.saturating_duration_since(state.now);
        drop(state);
        self.advance(distance);
        Some(distance)
    }

    /// Runs `future` without a runtime, moving the time on whenever it waits; `None` if it waits
    /// for something that is no wait on this clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use contexter_service::{ManualClock, Timer};
    ///
    /// let clock = ManualClock::new();
    /// let slow = async {
    ///     clock.sleep(Duration::from_hours(1)).await;
    ///     "an hour later"
    /// };
    /// assert_eq!(clock.run_until_stalled(slow), Some("an hour later"));
    /// assert_eq!(clock.run_until_stalled(std::future::pending::<()>()), None);
    /// ```
    pub fn run_until_stalled<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
                return Some(out);
            }
            if !woken.0.swap(false, Ordering::AcqRel) {
                self.advance_to_next_sleeper()?;
                woken.0.store(false, Ordering::Release);
            }
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

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
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
        let replaced = state.sleepers.insert(self.key, cx.waker().clone());
        // A waker may own what waits on this clock: it goes when the clock is free.
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        let mut state = self.clock.lock();
        let removed = state.sleepers.remove(&self.key);
        drop(state);
        drop(removed);
    }
}
