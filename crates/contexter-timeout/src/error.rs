//! Why a timed call failed.

use std::time::Duration;

use contexter_service::{Again, Elapsed, Sample, Verdict};

/// Why a call through a [`Timeout`](crate::Timeout) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The time was over; the operation has been dropped.
    #[error(transparent)]
    Elapsed(#[from] Elapsed),
    /// The operation's own error.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// Returns whether the time was over.
    #[must_use]
    pub const fn is_elapsed(&self) -> bool {
        matches!(self, Self::Elapsed(_))
    }

    /// Returns the operation's own error, unless the time was over.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Elapsed(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

/// An elapsed time is a failure that may be retried; the operation's own error speaks for itself.
impl<E: Verdict> Verdict for Error<E> {
    fn sample(&self) -> Sample {
        match self {
            Self::Elapsed(elapsed) => elapsed.sample(),
            Self::Inner(error) => error.sample(),
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Elapsed(elapsed) => elapsed.again(),
            Self::Inner(error) => error.again(),
        }
    }

    fn sent(&self) -> bool {
        match self {
            Self::Elapsed(elapsed) => elapsed.sent(),
            Self::Inner(error) => error.sent(),
        }
    }

    fn trip(&self) -> Option<Duration> {
        match self {
            Self::Elapsed(elapsed) => elapsed.trip(),
            Self::Inner(error) => error.trip(),
        }
    }

    fn refused(&self) -> Option<Duration> {
        match self {
            Self::Elapsed(elapsed) => elapsed.refused(),
            Self::Inner(error) => error.refused(),
        }
    }
}
