//! Waiting for a place.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use contexter_service::{Clock, Cx, Full, Timer, later};
use pin_project_lite::pin_project;

use super::room::{InRoom, Place};
use super::{Entered, Ticket};
use crate::call::panic_polled_again;

/// A place in the queue. Dropped, it is given up; and if it has become a place by then, that is
/// passed on.
#[derive(Debug)]
struct Waiting<H: InRoom> {
    handle: Option<H>,
    ticket: Ticket,
}

impl<H: InRoom> Waiting<H> {
    fn handle(&self) -> &H {
        self.handle
            .as_ref()
            .expect("only the end of the wait takes the handle")
    }

    /// Ends the wait when the ticket is void.
    fn end(&mut self) -> H {
        self.handle
            .take()
            .expect("only the end of the wait takes the handle")
    }
}

impl<H: InRoom> Drop for Waiting<H> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            let semaphore = &handle.room().semaphore;
            if semaphore.leave(self.ticket) {
                semaphore.exit();
            }
        }
    }
}

pin_project! {
    /// Takes a place at the first poll, or waits in the queue until there is one.
    pub struct Enter<H: InRoom>
    where
        H::Clock: Timer,
    {
        #[pin]
        stage: Stage<H>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<H: InRoom>
    where
        H::Clock: Timer,
    {
        Start { start: Option<(H, Cx)> },
        Waiting { #[pin] sleep: <H::Clock as Timer>::Sleep, waiting: Waiting<H> },
        Done,
    }
}

impl<H: InRoom<Clock: Timer>> Enter<H> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx) -> Self {
        Self {
            stage: Stage::Start {
                start: Some((handle, cx)),
            },
        }
    }
}

impl<H: InRoom<Clock: Timer>> Future for Enter<H> {
    type Output = Result<Place<H>, Full>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start { start } => {
                    let (handle, call) = start.take().expect("the stage changes in the same poll");
                    if handle.room().semaphore.try_enter() {
                        this.stage.set(Stage::Done);
                        return Poll::Ready(Ok(Place { handle }));
                    }
                    match begin_to_wait(&handle, call, cx) {
                        Some((Entered::Waiting(ticket), deadline)) => {
                            // Before the timer is asked for: if that panics, the unwinding gives the
                            // place in the queue up.
                            let waiting = Waiting {
                                handle: Some(handle),
                                ticket,
                            };
                            let sleep = waiting.handle().room().clock.sleep_until(deadline);
                            this.stage.set(Stage::Waiting { sleep, waiting });
                        }
                        Some((Entered::Admitted, _)) => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Ok(Place { handle }));
                        }
                        Some((Entered::Full, _)) | None => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Err(handle.room().refuse()));
                        }
                    }
                }
                StageProjection::Waiting { sleep, waiting } => {
                    let semaphore = &waiting.handle().room().semaphore;
                    let admitted = if semaphore.poll(waiting.ticket, cx.waker()) {
                        true
                    } else if sleep.poll(cx).is_pending() {
                        return Poll::Pending;
                    } else {
                        // A place that came in the same moment is in time.
                        semaphore.leave(waiting.ticket)
                    };
                    let handle = waiting.end();
                    this.stage.set(Stage::Done);
                    return Poll::Ready(if admitted {
                        Ok(Place { handle })
                    } else {
                        Err(handle.room().refuse())
                    });
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}

/// Goes into the queue, until a moment; `None` if there is no time to wait.
#[cold]
fn begin_to_wait<H: InRoom<Clock: Timer>>(
    handle: &H,
    call: Cx,
    cx: &Context<'_>,
) -> Option<(Entered, Instant)> {
    let room = handle.room();
    let now = room.clock.now();
    let latest = later(now, room.max_wait());
    let deadline = call.deadline().map_or(latest, |set| set.min(latest));
    (deadline > now).then(|| (room.semaphore.enter_or_wait(cx.waker()), deadline))
}
