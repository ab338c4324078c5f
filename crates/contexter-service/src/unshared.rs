//! Whether a shared state has one owner left.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Returns whether this is the only handle to `shared`, so that what the other ones did has happened
/// before what this thread reads next.
///
/// For the question whether a mechanism is as new: `Arc::strong_count` alone promises no order, so
/// that a count could still be missing that a handle wrote before it was dropped on another thread.
/// Weak references are not asked about.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use contexter_service::is_unshared;
///
/// let state = Arc::new(7);
/// let other = Arc::clone(&state);
/// assert!(!is_unshared(&state));
/// drop(other);
/// assert!(is_unshared(&state));
/// ```
#[must_use]
pub fn is_unshared<T: ?Sized>(shared: &Arc<T>) -> bool {
    let alone = Arc::strong_count(shared) == 1;
    if alone {
        // With the release that is in the drop of each other handle.
        fence(Ordering::Acquire);
    }
    alone
}
