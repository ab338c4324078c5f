//! Which single calls may meet a fault at all.

/// Says of one call whether it may meet a fault, by its context or its request.
///
/// Closures `Fn(&X) -> bool` say so too.
pub trait When<X: ?Sized>: Send + Sync {
    /// Returns whether the call may meet a fault.
    fn may(&self, of: &X) -> bool;
}

impl<X: ?Sized, F: Fn(&X) -> bool + Send + Sync> When<X> for F {
    fn may(&self, of: &X) -> bool {
        self(of)
    }
}

/// Every call may meet a fault; the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Always;

impl<X: ?Sized> When<X> for Always {
    fn may(&self, _of: &X) -> bool {
        true
    }
}
