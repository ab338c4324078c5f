//! Which instances a table of instances may forget.

use contexter_breaker::Breaker;
use contexter_service::Clock;

/// An instance that can tell whether it is as good as new.
///
/// [`Keyed`](crate::Keyed) forgets only such instances, so that forgetting is unobservable.
///
/// # Behavior
///
/// True only if nobody could tell the instance from one that has just been made: it counts
/// nothing, nothing holds it in a state, no permit of it is out, and no other handle to it exists.
pub trait Pristine {
    /// Returns whether replacing the instance by a new one would change nothing.
    fn is_pristine(&self) -> bool;
}

impl<C: Clock, K> Pristine for Breaker<C, K> {
    fn is_pristine(&self) -> bool {
        Self::is_pristine(self)
    }
}
