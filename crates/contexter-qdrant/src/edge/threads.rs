//! Whose turn it is, and the blocking threads on which the engine works.

use std::sync::Arc;

use contexter_model::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{self, SERVICE};

/// Runs `work` on a blocking thread; a panic becomes an error.
pub(super) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let kind = if error.is_cancelled() {
                ErrorKind::Cancelled
            } else {
                ErrorKind::Unexpected
            };
            Err(
                fault::error(kind, format!("{SERVICE} stopped while it tried to {doing}"))
                    .with_source(error),
            )
        }
    }
}

/// Waits for a turn; dropping the permit ends it.
pub(super) async fn turn(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    Arc::clone(semaphore)
        .acquire_owned()
        .await
        .map_err(|closed| {
            // Nothing closes these semaphores.
            fault::error(ErrorKind::Unexpected, "the store is going away").with_source(closed)
        })
}

/// Whether two computations can run at the same time.
pub(super) fn has_cores() -> bool {
    search_threads() > 2
}

/// Searches compute, so more threads than cores would only wait for one another; a few more keep
/// the cores busy while one reads from the disk.
pub(super) fn search_threads() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| 2 * cores.get())
}
