//! Everything that calls of one model share.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_limit::RateLimiter;
use contexter_model::{Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Cx, DefaultClock, Full, Limited, Timer};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::packing::Caps;
use crate::tokens::TokenEstimate;

/// The pause after the first answer of status 429 that names no wait; it doubles with each further
/// one up to [`LONGEST_PAUSE`].
///
/// Source: <https://docs.voyageai.com/docs/rate-limits> advises waits of 1, 2, 4 seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// As the vendor's own client.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// Requests under way at once, of one model, unless told otherwise.
const CONCURRENT: usize = 8;

/// What all calls of one model share: the stack with its quotas, the caps of a request, the count of
/// tokens, and how many requests are under way.
pub struct Lane<T: Timer = DefaultClock> {
    stack: StandardStack<T>,
    caps: Caps,
    tokens: TokenEstimate,
    gate: Semaphore,
    concurrent: usize,
    /// Tokens that the vendor has counted and the quota has not yet; negative where it is ahead.
    owed: Mutex<i64>,
    /// Refusals in a row that named no wait.
    refusals: AtomicU32,
}

impl<T: Timer> Lane<T> {
    /// Calls under `stack`, each within `caps`, eight at a time, with estimated tokens.
    #[must_use]
    pub fn new(stack: StandardStack<T>, caps: Caps) -> Self {
        Self {
            stack,
            caps,
            tokens: TokenEstimate::new(),
            gate: Semaphore::new(CONCURRENT),
            concurrent: CONCURRENT,
            owed: Mutex::new(0),
            refusals: AtomicU32::new(0),
        }
    }

    /// Sets how tokens are counted.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenEstimate) -> Self {
        self.tokens = tokens;
        self
    }

    /// Sets how many requests are under way at once; at least 1.
    #[must_use]
    pub fn with_concurrent(mut self, requests: usize) -> Self {
        self.concurrent = requests.clamp(1, Semaphore::MAX_PERMITS);
        self.gate = Semaphore::new(self.concurrent);
        self
    }

    /// Returns the stack around the calls.
    #[must_use]
    pub fn stack(&self) -> &StandardStack<T> {
        &self.stack
    }

    /// Returns how tokens are counted.
    #[must_use]
    pub fn tokens(&self) -> &TokenEstimate {
        &self.tokens
    }

    /// Waits for a place among the requests under way, no longer than until the deadline of `cx`, and
    /// not at all if the quota pauses for longer.
    pub(crate) async fn enter(&self, cx: Cx) -> Result<SemaphorePermit<'_>, Error> {
        let place = pin!(self.gate.acquire());
        let place = match cx.deadline() {
            None => place.await,
            Some(deadline) => {
                let timer = self.stack.timer();
                let quota = self.stack.rate_limiter();
                let pause = quota.map_or(Duration::ZERO, RateLimiter::pause_left);
                let left = deadline.saturating_duration_since(timer.now());
                if pause > left {
                    let retry_after = Some(pause);
                    return Err(Limited { retry_after }.into());
                }
                match select(place, pin!(timer.sleep_until(deadline))).await {
                    Either::Left((place, _)) => place,
                    Either::Right(_) => {
                        let limit = self.concurrent;
                        return Err(Full { limit }.into());
                    }
                }
            }
        };
        place.map_err(|closed| {
            Error::new(ErrorKind::Cancelled, "the adapter is shut down").with_source(closed)
        })
    }

    /// Lets go of all that wait for a place, and admits nobody any more.
    pub(crate) fn close(&self) {
        self.gate.close();
    }

    pub(crate) fn concurrent(&self) -> usize {
        self.concurrent
    }

    /// How many tokens a single call can take of the quota; none if there is no such quota.
    pub(crate) fn burst(&self) -> Option<u64> {
        let quotas = self.stack.config().rate_limit?;
        quotas.tokens.map(|quota| quota.effective_burst())
    }

    /// What one part may have now: no more than a margin below the vendor's cap, and than what the
    /// quota admits at once.
    pub(crate) fn caps(&self) -> Caps {
        let tokens = self.tokens.within(self.caps.tokens);
        Caps {
            tokens: self
                .burst()
                .map_or(tokens, |burst| tokens.min(burst))
                .max(1),
            ..self.caps
        }
    }

    /// Returns what a call of likely so many tokens takes of the quota: its own, and what earlier
    /// calls turned out to have had more or less than they took.
    pub(crate) fn charge(&self, likely: u64) -> Charge<'_, T> {
        let burst = self.burst().unwrap_or(u64::from(u32::MAX));
        let most = i64::try_from(burst).unwrap_or(i64::MAX);
        let likely = i64::try_from(likely).unwrap_or(i64::MAX);
        let mut owed = self.owed.lock();
        let taken = likely.saturating_add(*owed).clamp(0, most);
        *owed = owed
            .saturating_add(likely)
            .saturating_sub(taken)
            .clamp(-most, most);
        Charge {
            lane: self,
            likely,
            taken,
            sent: AtomicU32::new(0),
        }
    }

    fn owe(&self, more: i64) {
        let most = self.burst().and_then(|burst| i64::try_from(burst).ok());
        let most = most.unwrap_or(i64::MAX);
        let mut owed = self.owed.lock();
        *owed = owed.saturating_add(more).clamp(-most, most);
    }

    /// Takes up what an attempt says about the quota. An asked wait is not for here: the rate limiter
    /// itself hears it.
    pub(crate) fn listen<V>(&self, outcome: &Result<V, Error>) {
        let Err(error) = outcome else {
            self.refusals.store(0, Ordering::Relaxed);
            return;
        };
        let throttled = error.kind() == ErrorKind::RateLimited && !error.is_rejection();
        if !throttled || error.retry_after().is_some() {
            return;
        }
        let Some(limiter) = self.stack.rate_limiter() else {
            return;
        };
        // Several calls under way are refused for the same reason: it counts once.
        let refusals = if limiter.pause_left().is_zero() {
            self.refusals.fetch_add(1, Ordering::Relaxed)
        } else {
            self.refusals.load(Ordering::Relaxed).saturating_sub(1)
        };
        let factor = 1_u32.checked_shl(refusals).unwrap_or(u32::MAX);
        limiter.pause_for(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE));
    }
}

/// What one call takes of the quota. However the call ends, dropped half-way included, what it sent is
/// booked, and what it did not send is not: each attempt took of the quota, and the vendor counted it.
pub(crate) struct Charge<'a, T: Timer> {
    lane: &'a Lane<T>,
    likely: i64,
    taken: i64,
    /// Attempts that were sent.
    sent: AtomicU32,
}

impl<T: Timer> Charge<'_, T> {
    /// The weight of the call.
    pub(crate) fn weight(&self) -> u32 {
        u32::try_from(self.taken).unwrap_or(u32::MAX)
    }

    /// Takes up that an attempt is sent.
    pub(crate) fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes up how many tokens the last attempt had.
    pub(crate) fn settle(self, used: u64) {
        let used = i64::try_from(used).unwrap_or(i64::MAX);
        self.lane.owe(used.saturating_sub(self.likely));
    }
}

impl<T: Timer> Drop for Charge<'_, T> {
    /// One attempt is booked already. Of a call that was not sent the quota gave its part back.
    fn drop(&mut self) {
        let more = i64::from(*self.sent.get_mut()) - 1;
        let apart = self.likely.saturating_sub(self.taken);
        self.lane.owe(apart.saturating_mul(more));
    }
}

impl<T: Timer> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("caps", &self.caps)
            .field("tokens", &self.tokens)
            .field("concurrent", &self.concurrent)
            .finish_non_exhaustive()
    }
}
