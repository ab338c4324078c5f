//! Which errors something else may stand in for.

use contexter_service::{Again, ByVerdict, Sample, Verdict};

/// Decides for which errors a fallback or a stale value may stand in.
///
/// Closures `Fn(&E) -> bool` decide too. Ready-made are [`AnyError`], the default, and
/// [`ByVerdict`].
pub trait Eligible<E>: Send + Sync {
    /// Returns whether something else may stand in for this error.
    fn is_eligible(&self, error: &E) -> bool;
}

/// Every error is eligible: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyError;

impl<E> Eligible<E> for AnyError {
    fn is_eligible(&self, _error: &E) -> bool {
        true
    }
}

impl<E, F> Eligible<E> for F
where
    F: Fn(&E) -> bool + Send + Sync,
{
    fn is_eligible(&self, error: &E) -> bool {
        self(error)
    }
}

/// Eligible is what keeps the far side from answering: its failures, what trying again may mend,
/// and calls that were never sent. An answer that stays the same (not found, invalid) is not.
impl<E: Verdict> Eligible<E> for ByVerdict {
    fn is_eligible(&self, error: &E) -> bool {
        error.sample() == Sample::Failure || error.again() != Again::No || !error.sent()
    }
}
