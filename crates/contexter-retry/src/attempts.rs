//! The future of a retried operation: the one loop that all faces of the crate share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use contexter_service::{Again, Classify, Cx, Delays, Timer};
use pin_project_lite::pin_project;

use crate::Config;
use crate::retry::Shared;

pin_project! {
    /// The future of [`Retry::call`](crate::Retry::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Attempts<'a, Op, Fut, T: Timer, K> {
        op: Op,
        classify: &'a K,
        plan: Plan<'a, T>,
        #[pin]
        stage: Stage<Fut, T::Sleep>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Fut, Sleep> {
        Start,
        Attempt { #[pin] fut: Fut },
        Wait { #[pin] sleep: Sleep },
        Done,
    }
}

impl<'a, Op, Fut, T: Timer, K> Attempts<'a, Op, Fut, T, K> {
    pub(crate) fn new(shared: &'a Shared, timer: &'a T, classify: &'a K, cx: Cx, op: Op) -> Self {
        Self {
            op,
            classify,
            plan: Plan {
                shared,
                timer,
                cx: cx.with_attempt(1),
                started: None,
                retries: None,
            },
            stage: Stage::Start,
        }
    }

    /// Makes the future give the number of attempts beside the outcome.
    pub fn counted(self) -> Counted<'a, Op, Fut, T, K> {
        Counted { attempts: self }
    }

    fn poll_counted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Fut::Output, u32)>
    where
        Op: FnMut(Cx) -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start => {
                    this.plan.start();
                    let fut = (this.op)(this.plan.cx);
                    this.stage.set(Stage::Attempt { fut });
                }
                StageProjection::Attempt { fut } => {
                    let out = ready!(fut.poll(cx));
                    let delay = match this.classify.again(&out) {
                        Again::No => None,
                        Again::Yes { after } => this.plan.delay(after),
                    };
                    let Some(delay) = delay else {
                        this.stage.set(Stage::Done);
                        return Poll::Ready((out, this.plan.cx.attempt()));
                    };
                    // The outcome and what it holds, such as a connection, end before the wait.
                    drop(out);
                    let sleep = this.plan.timer.sleep(delay);
                    this.stage.set(Stage::Wait { sleep });
                }
                StageProjection::Wait { sleep } => {
                    ready!(sleep.poll(cx));
                    let next = this.plan.cx.attempt().saturating_add(1);
                    this.plan.cx = this.plan.cx.with_attempt(next);
                    let fut = (this.op)(this.plan.cx);
                    this.stage.set(Stage::Attempt { fut });
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
fn panic_polled_again() -> ! {
    panic!("a retried call was polled after it had ended")
}

/// Where a retried operation stands, and what may still be tried.
struct Plan<'a, T> {
    shared: &'a Shared,
    timer: &'a T,
    cx: Cx,
    started: Option<Instant>,
    /// Made by the first failure, so that a first success costs nothing of it.
    retries: Option<(Config, Delays)>,
}

impl<T: Timer> Plan<'_, T> {
    fn start(&mut self) {
        if self.shared.is_timed() {
            self.started = Some(self.timer.now());
        }
    }

    /// Returns the wait before the next attempt, or nothing if there must be none.
    fn delay(&mut self, after: Option<Duration>) -> Option<Duration> {
        let shared = self.shared;
        let (config, delays) = self.retries.get_or_insert_with(|| shared.begin());
        let attempt = self.cx.attempt();
        if attempt >= config.max_attempts {
            return give_up(attempt, "max_attempts");
        }
        if !self.cx.is_idempotent() {
            return give_up(attempt, "not_idempotent");
        }
        let backoff = delays.next().unwrap_or(config.max_delay);
        let delay = match after {
            None => backoff,
            Some(after) if after > config.max_retry_after => {
                return give_up(attempt, "max_retry_after");
            }
            // Never earlier than asked, and not all callers at the same moment.
            Some(after) => backoff.max(after.saturating_add(delays.spread(config.base_delay))),
        };
        let limit = config.max_elapsed.zip(self.started);
        if limit.is_some() || self.cx.deadline().is_some() {
            let now = self.timer.now();
            let over = |from: Instant, limit: Duration| {
                now.saturating_duration_since(from).saturating_add(delay) >= limit
            };
            if limit.is_some_and(|(limit, started)| over(started, limit)) {
                return give_up(attempt, "max_elapsed");
            }
            if self
                .cx
                .deadline()
                .is_some_and(|deadline| over(now, deadline.saturating_duration_since(now)))
            {
                return give_up(attempt, "deadline");
            }
        }
        tracing::info!(
            attempt,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            asked = after.is_some(),
            "retrying after a failed attempt"
        );
        Some(delay)
    }
}

fn give_up(attempts: u32, reason: &'static str) -> Option<Duration> {
    tracing::info!(attempts, reason, "gave up retrying");
    None
}

impl<Op, Fut, T: Timer, K> fmt::Debug for Attempts<'_, Op, Fut, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("cx", &self.plan.cx)
            .finish_non_exhaustive()
    }
}

impl<Op, Fut, T, K> Future for Attempts<'_, Op, Fut, T, K>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_counted(cx).map(|(out, _attempts)| out)
    }
}

pin_project! {
    /// The future of [`Attempts::counted`]: gives the outcome and how many attempts it took.
    #[must_use = "futures do nothing unless polled"]
    pub struct Counted<'a, Op, Fut, T: Timer, K> {
        #[pin]
        attempts: Attempts<'a, Op, Fut, T, K>,
    }
}

impl<Op, Fut, T: Timer, K> fmt::Debug for Counted<'_, Op, Fut, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.attempts).finish()
    }
}

impl<Op, Fut, T, K> Future for Counted<'_, Op, Fut, T, K>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = (Fut::Output, u32);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().attempts.poll_counted(cx)
    }
}
