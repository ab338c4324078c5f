//! The atomics of the budget, or loom's models of them.

#[cfg(not(all(test, contexter_loom)))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(all(test, contexter_loom))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
