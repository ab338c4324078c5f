//! Where a retried call stands, and what may still be tried: the decisions, without waiting.

use std::time::{Duration, Instant};

use contexter_service::{Cx, Delays, Timer};

use crate::budget::Token;
use crate::schedule::CustomDelays;
use crate::shared::Shared;
use crate::{Config, GaveUp, Reason, Scheduled};

/// No wait is nothing at all: it could make a loop that never gives its thread back.
const SHORTEST: Duration = Duration::from_nanos(1);

/// One call, from its first attempt on.
pub(crate) struct Plan {
    cx: Cx,
    started: Option<Instant>,
}

/// What a call needs once it has failed. Made by the first failure, so that a first success costs
/// nothing of it.
pub(crate) struct Repeats {
    pub(crate) config: Config,
    pub(crate) delays: Delays,
    pub(crate) custom: Option<CustomDelays>,
    /// Held while the call waits, and given back if it is dropped then.
    pub(crate) token: Option<Token>,
    pub(crate) waited_for_refusal: bool,
}

/// How an attempt failed.
#[derive(Clone, Copy)]
pub(crate) struct Failure {
    /// The wait that was asked for.
    pub(crate) after: Option<Duration>,
    /// Whether a mechanism on this side refused the call.
    pub(crate) refused: bool,
    /// Whether repeating can do no harm.
    pub(crate) harmless: bool,
    /// Whether the request could be sent again.
    pub(crate) repeatable: bool,
}

impl Plan {
    #[inline]
    pub(crate) fn new(cx: Cx) -> Self {
        Self { cx, started: None }
    }

    #[inline]
    pub(crate) fn cx(&self) -> Cx {
        self.cx
    }

    /// Begins the call. Returns whether its first attempt is also its last one.
    #[inline]
    pub(crate) fn start<T: Timer>(&mut self, shared: &Shared, timer: &T) -> bool {
        let opening = shared.opening();
        if opening.is_timed() {
            self.started = Some(timer.now());
        }
        if opening.is_budgeted() {
            if self.cx.attempt() == 1 && !self.cx.is_budgeted() {
                shared.deposit();
            }
            self.cx = self.cx.with_budgeted(true);
        }
        self.cx = self.cx.with_attempt(1);
        opening.max_attempts() <= 1
    }

    /// Begins the next attempt, whose token is then spent. Returns whether it is the last one.
    pub(crate) fn advance(&mut self, repeats: &mut Repeats) -> bool {
        let attempt = self.cx.attempt().saturating_add(1);
        self.cx = self.cx.with_attempt(attempt);
        if let Some(token) = repeats.token.take() {
            token.spend();
        }
        attempt >= repeats.config.max_attempts
    }

    /// Returns the wait before the next attempt, or nothing if there must be none; tells of both.
    pub(crate) fn after_failure<T: Timer>(
        &self,
        repeats: &mut Repeats,
        shared: &Shared,
        timer: &T,
        failure: Failure,
    ) -> Option<Duration> {
        let attempt = self.cx.attempt();
        match self.decide(repeats, shared, timer, failure) {
            Ok(delay) => {
                shared.tell_scheduled(&Scheduled {
                    name: shared.name(),
                    attempt,
                    delay,
                    asked: failure.after,
                });
                Some(delay)
            }
            Err(reason) => {
                shared.tell_gave_up(&GaveUp {
                    name: shared.name(),
                    attempts: attempt,
                    reason,
                });
                None
            }
        }
    }

    fn decide<T: Timer>(
        &self,
        repeats: &mut Repeats,
        shared: &Shared,
        timer: &T,
        failure: Failure,
    ) -> Result<Duration, Reason> {
        let (cx, started) = (self.cx, self.started);
        if cx.attempt() >= repeats.config.max_attempts {
            return Err(Reason::MaxAttempts);
        }
        if !failure.harmless {
            return Err(Reason::NotIdempotent);
        }
        if !failure.repeatable {
            return Err(Reason::NotRepeatable);
        }
        if failure.refused && std::mem::replace(&mut repeats.waited_for_refusal, true) {
            return Err(Reason::Refused);
        }
        let ceiling = repeats.config.max_retry_after;
        if failure.after.is_some_and(|after| after > ceiling) {
            return Err(Reason::MaxRetryAfter);
        }
        // A refusal says itself when it ends, and has cost the far side nothing.
        let backoff = if failure.refused {
            SHORTEST
        } else {
            repeats.backoff().ok_or(Reason::ScheduleEnded)?
        };
        let shortest = failure.after.map_or(backoff, |after| after.max(backoff));
        let left = time_left(repeats.config.max_elapsed, started, cx, shortest, || {
            timer.now()
        })?;
        let delay = match failure.after {
            None => backoff,
            // Never earlier than asked, and not all callers at the same moment; but what is added
            // must not be what makes the call miss its deadline.
            Some(after) => {
                let slack = left.map_or(Duration::MAX, |left| left.saturating_sub(shortest) / 2);
                let spread = repeats.delays.spread(repeats.config.base_delay.min(slack));
                backoff.max(after.saturating_add(spread))
            }
        };
        if !failure.refused && shared.opening().is_budgeted() {
            repeats.token = Some(shared.withdraw().ok_or(Reason::Budget)?);
        }
        Ok(delay)
    }
}

impl Repeats {
    /// The next delay by the schedule, before what the far side asked for.
    fn backoff(&mut self) -> Option<Duration> {
        match &mut self.custom {
            None => self.delays.next(),
            Some(custom) => {
                let cap = self.config.max_delay;
                Some(custom.next()?.min(cap).max(SHORTEST))
            }
        }
    }
}

/// Returns the time that is left for the wait, if there is a limit, and more than `shortest`.
fn time_left(
    max_elapsed: Option<Duration>,
    started: Option<Instant>,
    cx: Cx,
    shortest: Duration,
    now: impl FnOnce() -> Instant,
) -> Result<Option<Duration>, Reason> {
    let limit = max_elapsed.zip(started);
    if limit.is_none() && cx.deadline().is_none() {
        return Ok(None);
    }
    let now = now();
    let mut left = Duration::MAX;
    if let Some((limit, started)) = limit {
        left = limit.saturating_sub(now.saturating_duration_since(started));
        if shortest >= left {
            return Err(Reason::MaxElapsed);
        }
    }
    if let Some(deadline) = cx.deadline() {
        left = left.min(deadline.saturating_duration_since(now));
        if shortest >= left {
            return Err(Reason::Deadline);
        }
    }
    Ok(Some(left))
}
