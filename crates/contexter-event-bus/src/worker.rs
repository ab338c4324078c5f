//! Runs the handler on what a queue gives.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use crate::claim::{Claim, Next};
use crate::ending::Place;
use crate::failed::After;
use crate::handler::{Delivery, Handler, HandlerError};
use crate::queue::Queue;
use crate::trace::{handled, is_watched};
use crate::turn::{Turns, Working};

/// For how long a worker handles one event after the other before it lets others have its thread.
/// Giving it away costs a few microseconds, which a quick handler should not pay often. Looking at
/// the clock costs, too, so it may be some four times that, or up to seven events where each takes
/// longer: a handler that blocks its thread for 50 ms keeps it for a third of a second.
const STINT: Duration = Duration::from_micros(100);
/// Before which of its first events it looks at the clock: whoever gets them one by one never does.
const LOOKS_EARLY: [u32; 2] = [2, 8];
/// After how many events it looks later on.
const LOOKS_AFTER: u32 = 32;
/// How many events it handles at most, whatever the clock says.
const MOST: u32 = 1_024;

/// Handles one event after the other until the queue has come to its end.
pub(crate) async fn work<H: Handler>(
    queue: Arc<Queue>,
    handler: Arc<H>,
    place: Place,
    limit: Duration,
) {
    let working = Working::default();
    let plain = Plain {
        queue: &queue,
        handler: &*handler,
        turns: &working.0,
        slot: place.slot(),
        limit,
        #[cfg(feature = "metrics")]
        watch: crate::metrics::Watch::default(),
    };
    if queue.is_guarded() {
        // Boxed, so that the way without a guard stays small; and once for all events.
        Box::pin(serve(&queue, place.slot(), Guarded(plain))).await;
    } else {
        serve(&queue, place.slot(), plain).await;
    }
}

async fn serve<W: Way>(queue: &Queue, slot: usize, mut way: W) {
    let mut done = false;
    let mut stint = Stint::default();
    loop {
        match queue.next(slot, done) {
            Next::Work(claim) => {
                if stint.is_over() {
                    way.pause();
                    tokio::task::yield_now().await;
                }
                done = way.take(claim).await;
            }
            Next::Nothing { until } => {
                done = false;
                stint = Stint::default();
                way.pause();
                queue.sleep(until).await;
            }
            Next::End => return,
        }
    }
}

/// What is done with an event.
trait Way: Send {
    /// Returns whether the event was handled; if not, the queue knows.
    fn take(&mut self, claim: Claim) -> impl Future<Output = bool> + Send;

    /// What comes now does not come at once.
    fn pause(&mut self);
}

/// Handles it.
struct Plain<'w, H> {
    queue: &'w Queue,
    handler: &'w H,
    turns: &'w Arc<Turns>,
    slot: usize,
    limit: Duration,
    #[cfg(feature = "metrics")]
    watch: crate::metrics::Watch,
}

impl<H: Handler> Way for Plain<'_, H> {
    async fn take(&mut self, mut claim: Claim) -> bool {
        loop {
            #[cfg(feature = "metrics")]
            self.watch.start();
            let outcome = if is_watched() {
                // Boxed, so that the way that nobody watches stays small.
                Box::pin(self.watched(claim)).await
            } else {
                self.attempt(claim).await
            };
            self.turns.end();
            #[cfg(feature = "metrics")]
            self.watch.stop(&self.queue.tally, outcome.is_ok());
            let Err(error) = outcome else {
                return true;
            };
            match self.queue.failed(self.slot, &error) {
                After::Again(next) => claim = next,
                After::Later { delay } => {
                    self.pause();
                    self.queue.put_off(self.slot, delay, &error).await;
                    return false;
                }
                After::Dead => {
                    self.pause();
                    self.queue
                        .bury(self.slot, error.kind(), error.chain())
                        .await;
                    return false;
                }
            }
        }
    }

    #[inline]
    fn pause(&mut self) {
        #[cfg(feature = "metrics")]
        self.watch.pause();
    }
}

impl<H: Handler> Plain<'_, H> {
    async fn watched(&self, claim: Claim) -> Result<(), HandlerError> {
        let span = self.queue.handling(&claim);
        let outcome = self.attempt(claim).instrument(span.clone()).await;
        handled(&span, &outcome);
        outcome
    }

    /// Calls the handler for at most as long as it may take. One that is ready at once costs no
    /// timer.
    async fn attempt(&self, claim: Claim) -> Result<(), HandlerError> {
        let Self {
            queue,
            handler,
            turns,
            limit,
            ..
        } = *self;
        // The call and the end of it are inside as well, since they may panic, too.
        let mut call = pin!(async move {
            let Claim {
                event,
                attempt,
                redriven,
            } = claim;
            let delivery = Delivery {
                event,
                attempt,
                max_attempts: queue.attempts.max,
                redriven,
                turn: Some(turns.begin()),
            };
            within(limit, handler.handle(delivery)).await
        });
        match poll_fn(|cx| poll_caught(call.as_mut(), cx)).await {
            Ok(Some(outcome)) => outcome.map_err(HandlerError::rendered),
            Ok(None) => Err(HandlerError::timed_out(limit)),
            Err(panic) => Err(HandlerError::panicked(&*panic)),
        }
    }
}

/// Polls what may panic.
///
/// Nothing of an attempt is used after a panic, except the handler's own shared state, for which a
/// panic is like its other failures.
#[inline]
fn poll_caught<F: Future>(call: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Caught<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| call.poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

/// Handles it, unless it must not reach the handler.
struct Guarded<'w, H>(Plain<'w, H>);

impl<H: Handler> Way for Guarded<'_, H> {
    async fn take(&mut self, mut claim: Claim) -> bool {
        let Plain {
            queue, slot, limit, ..
        } = self.0;
        // Asking whether it may be handled takes a while.
        self.pause();
        let Some(admitted) = queue.admit(slot, &mut claim, limit).await else {
            return false;
        };
        let event = Arc::clone(&claim.event);
        let done = self.0.take(claim).await;
        if done {
            queue.remember(&event, admitted).await;
        }
        done
    }

    fn pause(&mut self) {
        self.0.pause();
    }
}

/// The events that a worker handles without a pause: a handler that never waits must not keep a
/// thread.
#[derive(Default)]
struct Stint {
    handled: u32,
    since: Option<Instant>,
}

impl Stint {
    /// Notes one more event, and returns whether others are to have the thread first.
    #[inline]
    fn is_over(&mut self) -> bool {
        self.handled += 1;
        let looks = self.handled.is_multiple_of(LOOKS_AFTER) || LOOKS_EARLY.contains(&self.handled);
        looks && self.look()
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let over = self.handled >= MOST || now.duration_since(since) >= STINT;
        if over {
            *self = Self::default();
        }
        over
    }
}

/// Runs a future for at most `limit`. One that is ready at once costs no timer.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Some(output);
    }
    let mut end = pin!(sleep(limit));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Returns how many events a worker handles without a pause, each of which takes so long.
    async fn handled_in_one_go(each: Duration) -> u32 {
        let mut stint = Stint::default();
        let mut handled = 0;
        loop {
            advance(each).await;
            handled += 1;
            if stint.is_over() {
                return handled;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_never_waits_gives_its_thread_away_soon_however_long_it_takes() {
        let quick = handled_in_one_go(Duration::from_nanos(200)).await;
        assert!((500..=1_000).contains(&quick), "{quick} events of 0.2 µs");
        for micros in [10, 50, 1_000, 50_000] {
            let slow = handled_in_one_go(Duration::from_micros(micros)).await;
            let most = (400 / micros).max(8);
            assert!(u64::from(slow) <= most, "{slow} events of {micros} µs");
        }
        let free = handled_in_one_go(Duration::ZERO).await;
        assert!((MOST..MOST + LOOKS_AFTER).contains(&free), "{free} events");
    }
}
