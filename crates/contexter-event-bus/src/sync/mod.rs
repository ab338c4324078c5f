//! The locks and signals of the queue, or loom's models of them.

#[cfg(all(test, contexter_loom))]
pub(crate) mod notify;

#[cfg(not(all(test, contexter_loom)))]
pub(crate) use parking_lot::MutexGuard;
#[cfg(not(all(test, contexter_loom)))]
use tokio::sync::Notify;

#[cfg(all(test, contexter_loom))]
use self::notify::Notify;
#[cfg(all(test, contexter_loom))]
pub(crate) use loom::sync::MutexGuard;

/// A lock that is held for a few instructions, and never across an `.await`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    #[cfg(not(all(test, contexter_loom)))]
    inner: parking_lot::Mutex<T>,
    #[cfg(all(test, contexter_loom))]
    inner: loom::sync::Mutex<T>,
}

#[cfg(not(all(test, contexter_loom)))]
impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock()
    }
}

#[cfg(all(test, contexter_loom))]
impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock().expect("no thread of a model panics")
    }
}

/// Wakes one of those who wait, the one that has waited longest.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    inner: Notify,
}

impl Signal {
    pub(crate) fn wake_one(&self) {
        self.inner.notify_one();
    }

    pub(crate) fn wake_all(&self) {
        self.inner.notify_waiters();
    }

    /// Waits to be woken: by whoever wakes after `sleeps` has returned `true`.
    ///
    /// `sleeps` is asked when this waiter is in line already, so it can look once more whether there
    /// is a reason to wait, and count itself. If it returns `false` there is none.
    ///
    /// Cancel safe: a wake-up that nobody takes goes to the next in line.
    pub(crate) async fn wait(&self, sleeps: impl FnOnce() -> bool + Send) {
        let mut woken = std::pin::pin!(self.inner.notified());
        // A wake-up that is left over from an earlier wait is no reason to miss what comes now.
        if woken.as_mut().enable() || !sleeps() {
            return;
        }
        woken.await;
    }
}

/// How many wait on a [`Signal`], kept under the lock of what they wait for, so that waking costs
/// nothing while nobody waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    asleep: usize,
    /// How many of them have been woken and do not know it yet.
    woken: usize,
}

impl Waiting {
    pub(crate) fn sleep(&mut self) {
        self.asleep += 1;
    }

    /// One of them is awake, for whatever reason.
    pub(crate) fn rise(&mut self) {
        self.asleep -= 1;
        self.woken = self.woken.saturating_sub(1).min(self.asleep);
    }

    /// Returns whether one of them is to be woken, who counts as woken then.
    #[must_use]
    pub(crate) fn wake(&mut self) -> bool {
        let any = self.asleep > self.woken;
        self.woken += usize::from(any);
        any
    }
}
