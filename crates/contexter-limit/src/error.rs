//! Why a limited call failed.

use std::time::Duration;

use contexter_service::{Again, Sample, Verdict};

/// Why a call through a limit failed.
///
/// | parameter | |
/// |---|---|
/// | `E` | the operation's own error |
/// | `R` | the refusal: [`Limited`](contexter_service::Limited) of a rate limiter, [`Full`](contexter_service::Full) of the others |
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E, R> {
    /// The limit refused the call; the operation was not begun.
    #[error(transparent)]
    Refused(R),
    /// The operation's own error.
    #[error(transparent)]
    Inner(E),
}

impl<E, R> Error<E, R> {
    /// Returns whether the limit refused the call.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Returns the operation's own error, unless the call was refused.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Refused(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

/// A refused call was not sent; the operation's own error speaks for itself.
impl<E: Verdict, R: Verdict> Verdict for Error<E, R> {
    fn sample(&self) -> Sample {
        match self {
            Self::Refused(refusal) => refusal.sample(),
            Self::Inner(error) => error.sample(),
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Refused(refusal) => refusal.again(),
            Self::Inner(error) => error.again(),
        }
    }

    fn sent(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.sent(),
            Self::Inner(error) => error.sent(),
        }
    }

    fn trip(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.trip(),
            Self::Inner(error) => error.trip(),
        }
    }

    fn refused(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.refused(),
            Self::Inner(error) => error.refused(),
        }
    }
}
