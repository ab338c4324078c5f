//! The atomics and locks of the state machine, or loom's models of them.

#[cfg(not(all(test, contexter_loom)))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(all(test, contexter_loom))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// A lock that is held for the time of a closure, so that no guard can cross an `.await`.
pub(crate) struct Mutex<T> {
    #[cfg(not(all(test, contexter_loom)))]
    inner: parking_lot::Mutex<T>,
    #[cfg(all(test, contexter_loom))]
    inner: loom::sync::Mutex<T>,
}

#[cfg(not(all(test, contexter_loom)))]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            inner: parking_lot::Mutex::new(value),
        }
    }

    pub(crate) fn hold<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.inner.lock())
    }
}

#[cfg(all(test, contexter_loom))]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            inner: loom::sync::Mutex::new(value),
        }
    }

    pub(crate) fn hold<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.inner.lock().expect("no thread of a model panics"))
    }
}

/// The number of this thread, so that threads can count on lines of their own.
///
/// Numbers are given one after the other and not by an address, so that the first few threads never
/// meet. Nothing but speed depends on them.
#[cfg(not(all(test, contexter_loom)))]
#[inline]
pub(crate) fn slot() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::AtomicUsize;

    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    SLOT.with(|slot| {
        if slot.get() == usize::MAX {
            // Never the number that stands for none.
            slot.set(THREADS.fetch_add(1, Ordering::Relaxed) % usize::MAX);
        }
        slot.get()
    })
}

#[cfg(all(test, contexter_loom))]
loom::thread_local! {
    static SLOT: std::cell::Cell<usize> = std::cell::Cell::new(0);
}

#[cfg(all(test, contexter_loom))]
pub(crate) fn slot() -> usize {
    SLOT.with(std::cell::Cell::get)
}

/// Gives a thread of a model a number of its own.
#[cfg(all(test, contexter_loom))]
pub(crate) fn take_slot(number: usize) {
    SLOT.with(|slot| slot.set(number));
}
