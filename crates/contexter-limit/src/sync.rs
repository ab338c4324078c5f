//! The atomics and locks of the state machines, or loom's models of them.

#[cfg(not(all(test, contexter_loom)))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(all(test, contexter_loom))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// A lock that is held for the time of a closure, so that no guard can cross an `.await`.
#[derive(Debug)]
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
