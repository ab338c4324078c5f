//! Whether an attempt is still under way, for whatever its handler has started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The attempts of one worker, which come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// How many are over.
    over: AtomicU64,
    /// How many wait for the end of one, so that an end costs nothing while nobody does.
    watchers: AtomicUsize,
    ended: Notify,
}

/// One attempt of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    worker: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// Begins an attempt. The worker ends it before it begins the next.
    pub(crate) fn begin(self: &Arc<Self>) -> Turn {
        Turn {
            worker: Arc::clone(self),
            number: self.over.load(Ordering::Relaxed),
        }
    }

    /// Ends the attempt that was begun last.
    pub(crate) fn end(self: &Arc<Self>) {
        let over = self.over.load(Ordering::Relaxed);
        // Nobody has kept an attempt of this worker, and only the worker gives them out.
        if Arc::strong_count(self) == 1 {
            self.over.store(over + 1, Ordering::Relaxed);
            return;
        }
        // Either a watcher that looks after this sees it, or it counted itself before and is woken.
        self.over.store(over + 1, Ordering::SeqCst);
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.ended.notify_waiters();
        }
    }
}

impl Turn {
    pub(crate) fn is_over(&self) -> bool {
        self.worker.over.load(Ordering::SeqCst) > self.number
    }

    /// Waits for the end of the attempt. Cancel safe.
    pub(crate) async fn over(&self) {
        let _watching = Watching::new(&self.worker);
        loop {
            let mut ended = std::pin::pin!(self.worker.ended.notified());
            ended.as_mut().enable();
            if self.is_over() {
                return;
            }
            ended.await;
        }
    }
}

/// A watcher, counted for as long as it waits.
struct Watching<'a>(&'a Turns);

impl<'a> Watching<'a> {
    fn new(turns: &'a Turns) -> Self {
        turns.watchers.fetch_add(1, Ordering::SeqCst);
        Self(turns)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker, whose attempt is over when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Working(pub(crate) Arc<Turns>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.end();
    }
}
