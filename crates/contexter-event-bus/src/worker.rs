//! Runs the handler on what a queue gives.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::handler::{Delivery, Handler, HandlerError};
use crate::queue::Queue;

/// Handles one event after the other until the queue has come to its end.
pub(crate) async fn work<H: Handler>(queue: Arc<Queue>, handler: Arc<H>, limit: Duration) {
    while let Some(claim) = queue.claim().await {
        match attempt(&*handler, claim.delivery(), limit).await {
            Ok(()) => claim.handled(),
            Err(error) => claim.failed(&error),
        }
        // A handler that never waits must not keep its thread from everybody else.
        tokio::task::consume_budget().await;
    }
}

async fn attempt<H: Handler>(
    handler: &H,
    delivery: Delivery,
    limit: Duration,
) -> Result<(), HandlerError> {
    // Nothing of the attempt is used after a panic, except the handler's own shared state, for
    // which a panic is like one of its other failures.
    // The timeout is inside, so that a future that panics when it is dropped is caught, too.
    let call = async { timeout(limit, handler.handle(delivery)).await };
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Ok(result)) => result.map_err(HandlerError::rendered),
        Ok(Err(_elapsed)) => Err(HandlerError::timed_out(limit)),
        Err(panic) => Err(HandlerError::panicked(&*panic)),
    }
}
