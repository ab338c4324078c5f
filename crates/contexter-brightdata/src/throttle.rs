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
const MAX_WAIT: Duration = Duration::from_mins(1);

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

    /// Waits until a call may be sent. It is under way until what is returned is dropped, which is to be
    /// after its [refusal](Self::refused) was counted.
    ///
    /// # Errors
    ///
    /// [`Limited`] if the budget is used up, if the pause is longer than a minute, or if no other call
    /// ends within one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub(crate) async fn admit(&self) -> Result<Admission, Limited> {
        let latest = later(DefaultClock.now(), MAX_WAIT);
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
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The window without eight seconds.
    const REST: Duration = Duration::from_secs(292);

    /// The window without five seconds.
    const MOST: Duration = Duration::from_secs(295);

    /// How long a call waits until it is admitted; `None` if it is refused.
    async fn wait(budget: &ThrottleBudget) -> Option<Duration> {
        let start = DefaultClock.now();
        budget.admit().await.ok()?;
        Some(DefaultClock.now().saturating_duration_since(start))
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_until_a_call_passes() {
        let budget = ThrottleBudget::new();
        assert_eq!(wait(&budget).await, Some(Duration::ZERO));
        for seconds in [2, 4, 8, 16, 32, 32] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(budget.refused(None, true), pause);
            assert_eq!(budget.pause_left(), pause);
            assert_eq!(wait(&budget).await, Some(pause));
        }
        budget.passed();
        assert_eq!(budget.refused(None, true), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_refused_together_are_one_refusal_for_the_pause_and_several_for_the_budget() {
        let budget = ThrottleBudget::new();
        for _ in 0..4 {
            assert_eq!(budget.refused(None, true), 2 * SECOND);
        }
        assert_eq!(budget.left(), 4);
        assert_eq!(wait(&budget).await, Some(2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_is_asked_for_counts_and_a_long_one_refuses() {
        let budget = ThrottleBudget::new();
        assert_eq!(budget.refused(Some(7 * SECOND), true), 7 * SECOND);
        assert_eq!(wait(&budget).await, Some(7 * SECOND));
        budget.refused(Some(90 * SECOND), true);
        let limited = budget.admit().await.unwrap_err();
        assert_eq!(limited.retry_after, Some(90 * SECOND));
        DefaultClock.sleep(40 * SECOND).await;
        assert_eq!(wait(&budget).await, Some(50 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_by_one_target_counts_and_stops_nobody_else() {
        let budget = ThrottleBudget::new();
        assert_eq!(budget.refused(None, false), 2 * SECOND);
        assert_eq!(wait(&budget).await, Some(Duration::ZERO));
        assert_eq!(budget.left(), BUDGET - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_up_budget_refuses_until_the_first_refusal_leaves_the_window() {
        let budget = ThrottleBudget::new();
        for _ in 0..BUDGET {
            budget.refused(Some(Duration::ZERO), true);
            DefaultClock.sleep(SECOND).await;
        }
        let limited = budget.admit().await.unwrap_err();
        assert_eq!(limited.retry_after, Some(REST));
        DefaultClock.sleep(REST).await;
        assert_eq!(wait(&budget).await, Some(Duration::ZERO));
        assert_eq!(budget.left(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_under_way_count_as_if_they_were_refused() {
        let budget = ThrottleBudget::new();
        budget.refused(None, false);
        let mut under_way = Vec::new();
        for _ in 1..BUDGET {
            under_way.push(budget.admit().await.unwrap());
        }
        assert_eq!((budget.left(), budget.under_way()), (7, 7));
        // Nobody ends: who waits is refused after a minute.
        let start = DefaultClock.now();
        let limited = budget.admit().await.unwrap_err();
        assert_eq!(limited.retry_after, None);
        assert_eq!(
            DefaultClock.now().saturating_duration_since(start),
            MAX_WAIT
        );
        // One ends: one of those who wait is admitted.
        let (mut one, mut two) = (pin!(budget.admit()), pin!(budget.admit()));
        let second = DefaultClock.sleep(SECOND);
        tokio::select! {
            _ = &mut one => panic!("nobody has ended"),
            _ = &mut two => panic!("nobody has ended"),
            () = second => {}
        }
        under_way.pop();
        let (admitted, refused) = tokio::join!(one, two);
        assert_eq!((admitted.is_ok(), refused.is_ok()), (true, false));
        assert_eq!(budget.under_way(), 7);
        drop((admitted, under_way));
        assert_eq!(budget.under_way(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_refused_makes_no_room_for_another() {
        let budget = ThrottleBudget::new();
        let mut under_way: Vec<_> = Vec::new();
        for _ in 0..BUDGET {
            under_way.push(budget.admit().await.unwrap());
        }
        let waiting = {
            let budget = budget.clone();
            tokio::spawn(async move { budget.admit().await.map(drop) })
        };
        tokio::task::yield_now().await;
        for admission in under_way {
            budget.refused(Some(Duration::ZERO), true);
            drop(admission);
        }
        let limited = waiting.await.unwrap().unwrap_err();
        assert_eq!(limited.retry_after, Some(WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_leaves_the_window_makes_room() {
        let budget = ThrottleBudget::new();
        budget.refused(None, false);
        DefaultClock.sleep(MOST).await;
        let mut under_way = Vec::new();
        for _ in 1..BUDGET {
            under_way.push(budget.admit().await.unwrap());
        }
        assert_eq!(wait(&budget).await, Some(5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_beyond_the_budget_are_remembered() {
        let budget = ThrottleBudget::new();
        for _ in 0..BUDGET + 5 {
            budget.refused(Some(Duration::ZERO), true);
            DefaultClock.sleep(SECOND).await;
        }
        // Six have to leave before there is room for one.
        let limited = budget.admit().await.unwrap_err();
        assert_eq!(limited.retry_after, Some(REST));
    }

    #[test]
    fn what_is_shared_is_found_by_its_origin() {
        let one = ThrottleBudget::shared("https://throttle-test.example/a");
        one.refused(Some(Duration::ZERO), true);
        assert_eq!(
            ThrottleBudget::shared("https://throttle-test.example").left(),
            BUDGET - 1
        );
        assert_eq!(
            ThrottleBudget::shared("https://throttle-test.example:8443").left(),
            BUDGET
        );
    }
}
