//! The time that a scenario moves.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contexter_service::{Clock, ManualClock, ManualSleep, Timer};

/// How far the time is moved at once when a subject waits by a clock of its own.
const STEP: Duration = Duration::from_millis(1);

type Hook = Box<dyn Fn(Duration) + Send + Sync>;

/// The clock and timer that a subject is built on. It stands still until the scenario moves it.
///
/// It is a [`Clock`] and a [`Timer`]; a type with a clock trait of its own needs an adapter. A type
/// that cannot be given a clock, such as one that waits by a runtime, registers
/// [`on_advance`](Self::on_advance) and moves its paused runtime along.
///
/// Clones share one time.
#[derive(Clone)]
pub struct Time {
    clock: ManualClock,
    /// By how much `now` lags, in nanoseconds: a clock that was set back.
    behind: Arc<AtomicU64>,
    hooks: Arc<Mutex<Vec<Hook>>>,
}

impl Time {
    /// Creates a time that stands at the present moment.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: ManualClock::new(),
            behind: Arc::default(),
            hooks: Arc::default(),
        }
    }

    /// Calls `hook` after each move, with how far the time was moved.
    pub fn on_advance(&self, hook: impl Fn(Duration) + Send + Sync + 'static) {
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.push(Box::new(hook));
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.tell(by);
    }

    /// Sets the clock back, as a machine's clock may be; waits are not affected.
    pub(crate) fn set_back(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.behind.fetch_add(nanos, Ordering::SeqCst);
    }

    /// How many waits are registered.
    pub(crate) fn sleepers(&self) -> usize {
        self.clock.sleepers()
    }

    /// Moves on to where the next wait ends, or a little if the subject waits by a clock of its
    /// own; returns false if nobody waits.
    pub(crate) fn step(&self) -> bool {
        let moved = self.clock.advance_to_next_sleeper();
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let by = moved.or_else(|| (!hooks.is_empty()).then_some(STEP));
        drop(hooks);
        match (moved, by) {
            (None, Some(by)) => self.advance(by),
            (Some(by), _) => self.tell(by),
            (None, None) => return false,
        }
        true
    }

    fn tell(&self, by: Duration) {
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        for hook in hooks.iter() {
            hook(by);
        }
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        let now = self.clock.now();
        let behind = Duration::from_nanos(self.behind.load(Ordering::SeqCst));
        now.checked_sub(behind).unwrap_or(now)
    }
}

impl Timer for Time {
    type Sleep = ManualSleep;

    fn sleep_until(&self, deadline: Instant) -> ManualSleep {
        self.clock.sleep_until(deadline)
    }
}
