//! Runs the handler on what a queue gives.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::poll_fn;
use tokio::time::sleep;
use tracing::Instrument as _;

use crate::claim::{After, Next};
use crate::handler::{Delivery, Handler, HandlerError};
use crate::queue::{Place, Queue};
use crate::trace::handled;
use crate::turn::{Turns, Working};

/// How many events a worker handles before it lets others have its thread: as many as tokio's own
/// channels give away.
const IN_A_ROW: u32 = 128;

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
    };
    if queue.is_guarded() {
        // Boxed, so that the way without a guard stays small; and once for all events.
        Box::pin(serve(&queue, place.slot(), &Guarded(plain))).await;
    } else {
        serve(&queue, place.slot(), &plain).await;
    }
}

async fn serve<W: Way>(queue: &Queue, slot: usize, way: &W) {
    let mut done = false;
    let mut in_a_row = 0;
    loop {
        match queue.next(slot, done) {
            Next::Work(delivery) => {
                rest(&mut in_a_row).await;
                done = way.take(delivery).await;
            }
            Next::Nothing { until } => {
                done = false;
                queue.sleep(until).await;
            }
            Next::End => return,
        }
    }
}

/// What is done with an event.
trait Way: Sync {
    /// Returns whether the event was handled; if not, the queue knows.
    fn take(&self, delivery: Delivery) -> impl Future<Output = bool> + Send;
}

/// Handles it.
struct Plain<'w, H> {
    queue: &'w Queue,
    handler: &'w H,
    turns: &'w Arc<Turns>,
    slot: usize,
    limit: Duration,
}

impl<H: Handler> Way for Plain<'_, H> {
    async fn take(&self, mut delivery: Delivery) -> bool {
        loop {
            delivery.turn = Some(self.turns.begin());
            let span = self.queue.handling(&delivery);
            let outcome = if span.is_disabled() {
                attempt(self.handler, delivery, self.limit).await
            } else {
                // Boxed, so that the way that nobody watches stays small.
                let traced = attempt(self.handler, delivery, self.limit).instrument(span.clone());
                let outcome = Box::pin(traced).await;
                handled(&span, &outcome);
                outcome
            };
            self.turns.end();
            let Err(error) = outcome else {
                return true;
            };
            match self.queue.failed(self.slot, &error) {
                After::Again(next) => delivery = next,
                After::Later => return false,
                After::Dead => {
                    self.queue
                        .bury(self.slot, error.kind(), error.chain())
                        .await;
                    return false;
                }
            }
        }
    }
}

/// Handles it, unless it must not reach the handler.
struct Guarded<'w, H>(Plain<'w, H>);

impl<H: Handler> Way for Guarded<'_, H> {
    async fn take(&self, mut delivery: Delivery) -> bool {
        let Plain {
            queue, slot, limit, ..
        } = self.0;
        let Some(admitted) = queue.admit(slot, &mut delivery, limit).await else {
            return false;
        };
        let event = Arc::clone(delivery.event());
        let done = self.0.take(delivery).await;
        queue.conclude(&event, admitted, done).await;
        done
    }
}

/// Lets others have the thread now and then: a handler that never waits must not keep it.
async fn rest(in_a_row: &mut u32) {
    *in_a_row = in_a_row.wrapping_add(1);
    if in_a_row.is_multiple_of(IN_A_ROW) {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn attempt<H: Handler>(
    handler: &H,
    delivery: Delivery,
    limit: Duration,
) -> Result<(), HandlerError> {
    // Nothing of the attempt is used after a panic, except the handler's own shared state, for
    // which a panic is like one of its other failures.
    // The timeout is inside, so that a future that panics when it is dropped is caught, too.
    let call = async { within(limit, handler.handle(delivery)).await };
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Some(result)) => result.map_err(HandlerError::rendered),
        Ok(None) => Err(HandlerError::timed_out(limit)),
        Err(panic) => Err(HandlerError::panicked(&*panic)),
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
