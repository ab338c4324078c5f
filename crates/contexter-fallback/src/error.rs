//! Why a call with a fallback failed.

use std::time::Duration;

use contexter_service::{Again, Both, Sample, Verdict};

/// Why a call through a [`Fallback`](crate::Fallback) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E, F = E> {
    /// The operation failed with an error for which no fallback may stand in; it is unchanged.
    #[error(transparent)]
    Inner(E),
    /// The operation failed, and so did the fallback.
    #[error(transparent)]
    Both(#[from] Both<E, F>),
}

impl<E, F> Error<E, F> {
    /// Returns whether the fallback was tried and failed as well.
    #[must_use]
    pub const fn is_both(&self) -> bool {
        matches!(self, Self::Both(_))
    }

    /// Returns the operation's own error.
    #[must_use]
    pub const fn original(&self) -> &E {
        match self {
            Self::Inner(error) => error,
            Self::Both(both) => &both.original,
        }
    }

    /// Gives back the operation's own error, without that of the fallback.
    #[must_use]
    pub fn into_original(self) -> E {
        match self {
            Self::Inner(error) => error,
            Self::Both(both) => both.original,
        }
    }

    /// Returns the error of the fallback, if it was tried.
    #[must_use]
    pub const fn fallback(&self) -> Option<&F> {
        match self {
            Self::Inner(_) => None,
            Self::Both(both) => Some(&both.fallback),
        }
    }
}

/// The operation's own error speaks: it says what the far side is like.
impl<E: Verdict, F> Verdict for Error<E, F> {
    fn sample(&self) -> Sample {
        self.original().sample()
    }

    fn again(&self) -> Again {
        self.original().again()
    }

    fn sent(&self) -> bool {
        self.original().sent()
    }

    fn trip(&self) -> Option<Duration> {
        self.original().trip()
    }

    fn refused(&self) -> Option<Duration> {
        self.original().refused()
    }
}
