//! Which instances a table of instances may forget.

use contexter_breaker::Breaker;
use contexter_limit::{AdaptiveLimit, Bulkhead, RateLimiter};
use contexter_retry::{Budget, Hedge, Retry};
use contexter_service::{Clock, Timer};

use crate::StandardStack;

/// An instance that can tell whether it is as good as new.
///
/// [`Keyed`](crate::Keyed) forgets only such instances, so that no decision is lost.
///
/// # Behavior
///
/// True only if the instance decides as one that has just been made: nothing holds it in a state, no
/// permit of it is out, and no other handle to it exists. Statistics do not matter. What an instance
/// has learned matters for a while only, so that nobody can fill a table for good with keys that are
/// never asked for again:
///
/// | instance | is not pristine |
/// |---|---|
/// | [`Breaker`] | unless closed; while failures in a row or calls of a window count, for a `recovery_timeout` after the last failure (a window of time forgets by itself) |
/// | [`RateLimiter`] | while something of a quota is in use, or a pause lasts |
/// | [`Bulkhead`] | while a call runs or waits |
/// | [`AdaptiveLimit`] | the same, and for `baseline_doubling` after the last outcome that taught it |
/// | [`Budget`], and [`Retry`] and [`Hedge`] with one of their own | while fewer tokens than the reserve are there, which calls must earn |
/// | [`StandardStack`] | while one of its mechanisms is not |
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
