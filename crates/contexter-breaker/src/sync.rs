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

/// Settings that are read often and replaced rarely. No model: they never change within one.
pub(crate) struct RwLock<T> {
    inner: parking_lot::RwLock<T>,
}

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            inner: parking_lot::RwLock::new(value),
        }
    }

    pub(crate) fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.inner.read())
    }

    pub(crate) fn replace(&self, value: T) {
        *self.inner.write() = value;
    }
}
