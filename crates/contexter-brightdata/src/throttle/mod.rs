//! How many refusals for too many requests the process can afford.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_service::{Clock, DefaultClock, Limited, Timer, later};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// So many answers with status 429 to one address within [`WINDOW`] block that address on all of the
/// vendor's interfaces until its support clears it
/// (<https://docs.brightdata.com/products/scrapers/limits>).
pub const BLOCKED_AT: usize = 25;

/// The window in which the vendor counts them.
pub const WINDOW: Duration = Duration::from_mins(5);

/// After so many of them nothing is sent until the first leaves the window. Calls under way count as
/// if they were refused, since all of them may be, so that no number of calls at once exceeds it. The
/// vendor takes ten for a warning sign.
pub const BUDGET: usize = 8;

/// The vendor asks for pauses of 2, 4, 8, 16, 32 seconds where it names none.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// A call waits for so long for the end of a pause, or for another call to end; if it takes longer, the
/// call is refused.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(1);

/// A wait that is asked for counts up to this; no quota of a sane service lasts longer than a day.
const MAX_ASKED: Duration = Duration::from_hours(24);

/// The budget of refusals for too many requests: one for each of the vendor's interfaces in a process.
///
/// The vendor blocks the address of a process that is refused too often, whatever keys it uses, so the
/// budget is shared: all adapters with the same base address have the same, unless they are given
/// another. Clones share it.
///
/// # Behavior
///
/// - After a refusal all calls wait: as long as the vendor asks, otherwise 2, 4, 8, 16, 32 seconds.
/// - After [`BUDGET`] refusals within [`WINDOW`] calls are refused without being sent
///   ([`Limited`]), until the first of them has left the window.
/// - Refusals and calls under way together are never more than [`BUDGET`]: the more refusals, the
///   fewer calls run at once. A call waits up to a minute for another one to end.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::ThrottleBudget;
///
/// let budget = ThrottleBudget::new();
/// assert_eq!(budget.left(), 8);
/// ```
#[derive(Clone)]
pub struct ThrottleBudget {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Tells those who wait that a call has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    /// When the refusals within the window came, oldest first. Never longer than [`MAX_KEPT`].
    refusals: VecDeque<Instant>,
    /// How many calls may yet be refused.
    under_way: usize,
    /// Until when nothing is sent.
    paused_until: Option<Instant>,
    /// The last pause that nobody asked for.
    last_pause: Option<Duration>,
}

/// More than these say nothing new.
const MAX_KEPT: usize = 64;

/// The budgets of this process by base address. It is the process whose address the vendor blocks, so
/// this is the one thing that cannot belong to an adapter.
static SHARED: Mutex<Vec<(String, ThrottleBudget)>> = Mutex::new(Vec::new());

/// Base addresses whose budgets are kept; a process talks to one, tests to a few.
const MAX_SHARED: usize = 64;

impl Default for ThrottleBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl ThrottleBudget {
    /// Makes a budget that is shared with nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::default(),
        }
    }

    /// Returns the budget of this process for the interface at `base_url`.
    #[must_use]
    pub fn shared(base_url: &str) -> Self {
        let origin = url::Url::parse(base_url).map_or_else(
            |_malformed| base_url.to_owned(),
            |url| url.origin().ascii_serialization(),
        );
        let mut shared = SHARED.lock();
        if let Some((_, budget)) = shared.iter().find(|(known, _)| *known == origin) {
            return budget.clone();
        }
        let now = DefaultClock.now();
        if shared.len() >= MAX_SHARED {
            shared.retain(|(_, budget)| {
                Arc::strong_count(&budget.inner) > 1 || !budget.inner.state.lock().is_idle(now)
            });
        }
        let budget = Self::new();
        if shared.len() < MAX_SHARED {
            shared.push((origin, budget.clone()));
        }
        budget
    }

    /// Returns how many refusals it can still afford, those included that calls under way may end with.
    #[must_use]
    pub fn left(&self) -> usize {
        let mut state = self.inner.state.lock();
        state.forget(DefaultClock.now());
        BUDGET.saturating_sub(state.refusals.len())
    }

    /// Returns how many calls are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.inner.state.lock().under_way
    }

    /// Returns how long nothing is sent from now.
    #[must_use]
    pub fn pause_left(&self) -> Duration {
        self.inner.state.lock().pause_left(DefaultClock.now())
    }

    /// Waits until a call may be sent, for no longer than `longest`. It is under way until what is returned
    /// is dropped, which is to be after its [refusal](Self::refused) was counted.
    ///
    /// # Errors
    ///
    /// [`Limited`] if the budget is used up, if the pause is longer than `longest` or a minute, or if no
    /// other call ends within that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub(crate) async fn admit_within(&self, longest: Duration) -> Result<Admission, Limited> {
        let latest = later(DefaultClock.now(), longest.min(MAX_WAIT));
        loop {
            // Listens before it looks, so that no end is missed in between.
            let mut ended = pin!(self.inner.ended.notified());
            ended.as_mut().enable();
            let now = DefaultClock.now();
            let step = self.inner.state.lock().step(now);
            let refused = |wait| Err(Limited { retry_after: wait });
            match step {
                Step::Admitted => {
                    return Ok(Admission {
                        budget: self.clone(),
                    });
                }
                Step::Exhausted(wait) => return refused(Some(wait)),
                Step::Paused(until) if until > latest => {
                    return refused(Some(until.saturating_duration_since(now)));
                }
                Step::Paused(until) => DefaultClock.sleep_until(until).await,
                Step::Full(_) if now >= latest => return refused(None),
                Step::Full(leaves) => {
                    let until = leaves.map_or(latest, |leaves| leaves.min(latest));
                    tokio::select! {
                        () = ended => {}
                        () = DefaultClock.sleep_until(until) => {}
                    }
                }
            }
        }
    }

    /// Counts a refusal and returns how long to wait; `for_all` makes all calls wait.
    pub(crate) fn refused(&self, asked: Option<Duration>, for_all: bool) -> Duration {
        let now = DefaultClock.now();
        let mut state = self.inner.state.lock();
        state.count(now);
        let pausing = state.pause_left(now);
        let pause = match asked {
            Some(asked) => asked.min(MAX_ASKED),
            // The calls that were under way together are refused together: that is one refusal.
            None if !pausing.is_zero() => pausing,
            None => {
                let next = state.last_pause.map_or(FIRST_PAUSE, |last| {
                    last.saturating_mul(2).min(LONGEST_PAUSE)
                });
                state.last_pause = Some(next);
                next
            }
        };
        if for_all {
            let until = later(now, pause);
            state.paused_until = Some(state.paused_until.map_or(until, |set| set.max(until)));
        }
        let left = BUDGET.saturating_sub(state.refusals.len());
        drop(state);
        tracing::warn!(
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            budget_left = left,
            "bright data refuses for too many requests"
        );
        pause
    }

    /// Takes notice of a call that was not refused.
    pub(crate) fn passed(&self) {
        let mut state = self.inner.state.lock();
        if state.last_pause.is_some() && state.pause_left(DefaultClock.now()).is_zero() {
            state.last_pause = None;
        }
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Admission {
    budget: ThrottleBudget,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let inner = &self.budget.inner;
        let mut state = inner.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        // All of them: who is told may have to go on waiting, or be refused.
        inner.ended.notify_waiters();
    }
}

/// What is to be done with a call.
enum Step {
    /// It counts as under way from now on.
    Admitted,
    /// The budget is used up for so long.
    Exhausted(Duration),
    /// Nothing is sent until then.
    Paused(Instant),
    /// So many are under way that their refusals would use it up; then the first refusal leaves the
    /// window.
    Full(Option<Instant>),
}

impl State {
    fn step(&mut self, now: Instant) -> Step {
        self.forget(now);
        if let Some(wait) = self.exhausted(now) {
            return Step::Exhausted(wait);
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Step::Paused(until);
        }
        if self.refusals.len().saturating_add(self.under_way) >= BUDGET {
            return Step::Full(self.refusals.front().map(|first| later(*first, WINDOW)));
        }
        self.under_way += 1;
        Step::Admitted
    }

    fn count(&mut self, now: Instant) {
        self.forget(now);
        if self.refusals.len() < MAX_KEPT {
            self.refusals.push_back(now);
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.refusals.front() {
            if now.saturating_duration_since(*first) < WINDOW {
                break;
            }
            self.refusals.pop_front();
        }
    }

    /// Returns how long the budget is used up.
    fn exhausted(&self, now: Instant) -> Option<Duration> {
        // The last of those that have to leave.
        let beyond = self.refusals.len().checked_sub(BUDGET)?;
        let leaves = later(*self.refusals.get(beyond)?, WINDOW);
        Some(leaves.saturating_duration_since(now))
    }

    fn pause_left(&self, now: Instant) -> Duration {
        self.paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.refusals.is_empty() && self.under_way == 0 && self.pause_left(now).is_zero()
    }
}

impl fmt::Debug for ThrottleBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleBudget")
            .field("left", &self.left())
            .field("under_way", &self.under_way())
            .field("pause_left", &self.pause_left())
            .finish()
    }
}
#[cfg(test)]
mod tests;
