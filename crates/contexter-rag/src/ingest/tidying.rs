//! Keeps tidying apart from all that works with stored blobs.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Runs and steps go on side by side; tidying has the stored blobs to itself.
///
/// Every method waits without a limit, for work that ends by itself. Dropping its future gives up the
/// place in the queue, dropping what it returns ends that work.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    runs: RwLock<()>,
    steps: RwLock<()>,
}

impl Tidying {
    /// Begins a run, after the tidying that waits or goes on.
    pub(super) async fn run(&self) -> RwLockReadGuard<'_, ()> {
        self.runs.read().await
    }

    /// Begins a step. While a run is under way, it need not wait.
    pub(super) async fn step(&self) -> RwLockReadGuard<'_, ()> {
        self.steps.read().await
    }

    /// Begins tidying, when no run and no step is under way.
    pub(super) async fn tidy(&self) -> [RwLockWriteGuard<'_, ()>; 2] {
        // In this order: a run ends only when its steps do, so no step may wait for what waits for
        // a run. What steps are left then are of runs that were dropped, or of redriven letters.
        let runs = self.runs.write().await;
        let steps = self.steps.write().await;
        [runs, steps]
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn tidying_waits_for_runs_and_new_ones_wait_for_it_but_no_step_does() {
        let tidying = Tidying::default();
        let run = tidying.run().await;
        let mut tidy = std::pin::pin!(tidying.tidy());
        let mut later = std::pin::pin!(tidying.run());
        assert!(poll!(&mut tidy).is_pending());
        assert!(poll!(&mut later).is_pending());
        let step = tidying.step().now_or_never().unwrap();
        drop(run);
        assert!(poll!(&mut tidy).is_pending(), "a step is under way");
        drop(step);
        let tidy = tidy.await;
        assert!(poll!(&mut later).is_pending());
        assert!(tidying.step().now_or_never().is_none());
        drop(tidy);
        drop(later.await);
    }

    #[tokio::test]
    async fn tidying_that_is_dropped_while_it_waits_holds_up_nobody() {
        let tidying = Tidying::default();
        let _run = tidying.run().await;
        let step = tidying.step().await;
        assert!(tidying.tidy().now_or_never().is_none());
        let _later = tidying.run().now_or_never().unwrap();
        drop(step);
    }
}
