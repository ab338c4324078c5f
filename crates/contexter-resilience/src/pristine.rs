//! Which instances a table of instances may forget.

use contexter_breaker::Breaker;
use contexter_limit::{AdaptiveLimit, Bulkhead, RateLimiter};
use contexter_retry::{Budget, Hedge, Retry};
use contexter_service::{Clock, Timer};

use crate::StandardStack;

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

macro_rules! by_own_method {
    ($([$($param:ident: $bound:path),*] $instance:ty;)+) => {$(
        impl<$($param: $bound),*> Pristine for $instance {
            fn is_pristine(&self) -> bool {
                Self::is_pristine(self)
            }
        }
    )+};
}

by_own_method! {
    [C: Clock, K: Sized] Breaker<C, K>;
    [T: Timer, K: Sized] Retry<T, K>;
    [T: Timer, K: Sized] Hedge<T, K>;
    [] Budget;
    [C: Clock, K: Sized] RateLimiter<C, K>;
    [C: Clock] Bulkhead<C>;
    [C: Clock, K: Sized] AdaptiveLimit<C, K>;
    [T: Timer, K: Sized] StandardStack<T, K>;
}
