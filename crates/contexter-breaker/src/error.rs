//! Why a guarded call failed.

use std::time::Duration;

use contexter_service::{Again, Classify, Open, Sample, Verdict};

/// Why a call through a [`Breaker`](crate::Breaker) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The breaker refused the call; the operation was not started.
    #[error(transparent)]
    Open(#[from] Open),
    /// The operation's own error.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// Returns whether the breaker refused the call.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Returns the operation's own error, unless the breaker refused the call.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Open(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

/// A refusal is neutral and not retried; the operation's own error speaks for itself.
impl<E: Verdict> Verdict for Error<E> {
    fn sample(&self) -> Sample {
        match self {
            Self::Open(open) => open.sample(),
            Self::Inner(error) => error.sample(),
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Open(open) => open.again(),
            Self::Inner(error) => error.again(),
        }
    }

    fn sent(&self) -> bool {
        match self {
            Self::Open(open) => open.sent(),
            Self::Inner(error) => error.sent(),
        }
    }

    fn trip(&self) -> Option<Duration> {
        match self {
            Self::Open(open) => open.trip(),
            Self::Inner(error) => error.trip(),
        }
    }

    fn refused(&self) -> Option<Duration> {
        match self {
            Self::Open(open) => open.refused(),
            Self::Inner(error) => error.refused(),
        }
    }
}

/// Classifies what a breaker returns, for any `E`: the operation's own errors are failures that may
/// be retried, a refusal is neutral and final.
///
/// For a retry around a breaker whose operation's error implements no [`Verdict`].
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Error, UnlessOpen};
/// use contexter_service::{Again, Classify, Open};
///
/// let refused: Result<(), Error<&str>> = Err(Error::Open(Open { retry_after: None }));
/// assert_eq!(UnlessOpen.again(&refused), Again::No);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnlessOpen;

impl<T, E> Classify<Result<T, Error<E>>> for UnlessOpen {
    fn sample(&self, out: &Result<T, Error<E>>) -> Sample {
        match out {
            Ok(_) => Sample::Success,
            Err(Error::Open(open)) => open.sample(),
            Err(Error::Inner(_)) => Sample::Failure,
        }
    }

    fn again(&self, out: &Result<T, Error<E>>) -> Again {
        match out {
            Ok(_) => Again::No,
            Err(Error::Open(open)) => open.again(),
            Err(Error::Inner(_)) => Again::Yes { after: None },
        }
    }

    fn sent(&self, out: &Result<T, Error<E>>) -> bool {
        !matches!(out, Err(Error::Open(open)) if !open.sent())
    }

    fn refused(&self, out: &Result<T, Error<E>>) -> Option<Duration> {
        match out {
            Err(Error::Open(open)) => open.refused(),
            Ok(_) | Err(Error::Inner(_)) => None,
        }
    }
}
