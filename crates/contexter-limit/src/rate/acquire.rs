//! Waiting for a rate limiter.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Clock, Cx, Limited, Timer};
use pin_project_lite::pin_project;

use super::Handle;
use super::limiter::RateLimiter;
use super::shared::{Due, Reservation, Shared};
use super::ticks;
use crate::call::panic_polled_again;

/// A reservation, together with where it is to be given back if it is not used.
#[derive(Debug)]
struct Reserved<H: Handle> {
    handle: Option<H>,
    reservation: Reservation,
}

impl<H: Handle> Reserved<H> {
    fn shared(&self) -> &Shared<H::Timer> {
        self.handle
            .as_ref()
            .expect("only the end of the wait takes the handle")
            .shared()
    }

    /// Ends the wait; the reservation stays.
    fn end(&mut self) -> H {
        self.handle
            .take()
            .expect("only the end of the wait takes the handle")
    }
}

impl<H: Handle> Drop for Reserved<H> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.shared().give_back(&self.reservation);
        }
    }
}

pin_project! {
    /// Reserves at the first poll, and waits until the reservation is due.
    pub struct Wait<H: Handle> {
        #[pin]
        stage: Stage<H>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<H: Handle> {
        Start { start: Option<(H, Cx)> },
        // The timer goes before what it waits for.
        Waiting {
            #[pin]
            sleep: <H::Timer as Timer>::Sleep,
            reserved: Reserved<H>,
            latest: u64,
        },
        Done,
    }
}

impl<H: Handle> Wait<H> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx) -> Self {
        Self {
            stage: Stage::Start {
                start: Some((handle, cx)),
            },
        }
    }
}

impl<H: Handle> Future for Wait<H> {
    type Output = Result<H, Limited>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start { start } => {
                    let (handle, call) = start.take().expect("the stage changes in the same poll");
                    let shared = handle.shared();
                    let now = shared.clock.now();
                    let clock = shared.ticks_at(now);
                    if shared.reserve_at_once(call.weight(), clock) {
                        this.stage.set(Stage::Done);
                        return Poll::Ready(Ok(handle));
                    }
                    let rules = shared.rules();
                    let longest = call.deadline().map_or(rules.max_wait, |deadline| {
                        let left = deadline.saturating_duration_since(now);
                        ticks::from_duration(left).min(rules.max_wait)
                    });
                    let mut reservation = Reservation::default();
                    if let Err(limited) =
                        shared.reserve(&rules, call.weight(), clock, longest, &mut reservation)
                    {
                        this.stage.set(Stage::Done);
                        return Poll::Ready(Err(limited));
                    }
                    match reservation.due(&rules, clock) {
                        Due::Now => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Ok(handle));
                        }
                        Due::In(wait) => {
                            let due = shared.instant(clock, wait);
                            // Before the timer is asked for: if that panics, the unwinding gives the
                            // reservation back.
                            let reserved = Reserved {
                                handle: Some(handle),
                                reservation,
                            };
                            let sleep = reserved.shared().clock.sleep_until(due);
                            let latest = clock.saturating_add(longest);
                            this.stage.set(Stage::Waiting {
                                sleep,
                                reserved,
                                latest,
                            });
                        }
                    }
                }
                StageProjection::Waiting {
                    mut sleep,
                    reserved,
                    latest,
                } => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let shared = reserved.shared();
                    let clock = shared.ticks_at(shared.clock.now());
                    match reserved.reservation.due(&shared.rules(), clock) {
                        Due::Now => {
                            let handle = reserved.end();
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Ok(handle));
                        }
                        Due::In(wait) if clock.saturating_add(wait) > *latest => {
                            let handle = reserved.end();
                            let limited = handle.shared().revoke(&reserved.reservation, wait);
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Err(limited));
                        }
                        Due::In(wait) => {
                            let due = shared.instant(clock, wait);
                            sleep.set(shared.clock.sleep_until(due));
                        }
                    }
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}

pin_project! {
    /// The future of [`RateLimiter::acquire`].
    ///
    /// # Cancel safety
    ///
    /// As [`RateLimiter::acquire`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<'a, T: Timer, K> {
        #[pin]
        wait: Wait<&'a RateLimiter<T, K>>,
    }
}

impl<'a, T: Timer, K> Acquire<'a, T, K> {
    pub(crate) fn new(limiter: &'a RateLimiter<T, K>, cx: Cx) -> Self {
        Self {
            wait: Wait::new(limiter, cx),
        }
    }
}

impl<T: Timer, K> fmt::Debug for Acquire<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

impl<T: Timer, K> Future for Acquire<'_, T, K> {
    type Output = Result<(), Limited>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().wait.poll(cx).map_ok(drop)
    }
}
