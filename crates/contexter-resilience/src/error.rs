//! A flat error for those who have no error type of their own.

use std::time::Duration;

use contexter_service::{Again, Classify, Elapsed, Full, Limited, Open, Sample, Verdict};

/// Why a call through a stack failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The breaker refused the call.
    #[error(transparent)]
    Open(#[from] Open),
    /// A limit on concurrent calls refused the call.
    #[error(transparent)]
    Full(#[from] Full),
    /// A rate limit refused the call.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The time was over.
    #[error(transparent)]
    Elapsed(#[from] Elapsed),
    /// The operation's own error.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// Returns whether a mechanism refused the call before it was sent.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Full(_) | Self::Limited(_))
    }

    /// Returns the operation's own error.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner(error) => Some(error),
            _ => None,
        }
    }

    fn verdict(&self) -> Result<&dyn Verdict, &E> {
        match self {
            Self::Open(open) => Ok(open),
            Self::Full(full) => Ok(full),
            Self::Limited(limited) => Ok(limited),
            Self::Elapsed(elapsed) => Ok(elapsed),
            Self::Inner(error) => Err(error),
        }
    }
}

/// Rejections are neutral and final, an elapsed time is a failure that may be retried, and the
/// operation's own error speaks for itself.
impl<E: Verdict> Verdict for Error<E> {
    fn sample(&self) -> Sample {
        match self.verdict() {
            Ok(verdict) => verdict.sample(),
            Err(error) => error.sample(),
        }
    }

    fn again(&self) -> Again {
        match self.verdict() {
            Ok(verdict) => verdict.again(),
            Err(error) => error.again(),
        }
    }

    fn sent(&self) -> bool {
        match self.verdict() {
            Ok(verdict) => verdict.sent(),
            Err(error) => error.sent(),
        }
    }

    fn trip(&self) -> Option<Duration> {
        match self.verdict() {
            Ok(verdict) => verdict.trip(),
            Err(error) => error.trip(),
        }
    }

    fn refused(&self) -> Option<Duration> {
        match self.verdict() {
            Ok(verdict) => verdict.refused(),
            Err(error) => error.refused(),
        }
    }
}

/// Classifies `Result<V, Error<E>>` for any `E`: the operation's own errors are failures that may
/// be retried, rejections are neutral and final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnlessRejected;

impl<V, E> Classify<Result<V, Error<E>>> for UnlessRejected {
    fn sample(&self, out: &Result<V, Error<E>>) -> Sample {
        match out.as_ref().map_err(Error::verdict) {
            Ok(_) => Sample::Success,
            Err(Ok(verdict)) => verdict.sample(),
            Err(Err(_)) => Sample::Failure,
        }
    }

    fn again(&self, out: &Result<V, Error<E>>) -> Again {
        match out.as_ref().map_err(Error::verdict) {
            Ok(_) => Again::No,
            Err(Ok(verdict)) => verdict.again(),
            Err(Err(_)) => Again::Yes { after: None },
        }
    }

    fn sent(&self, out: &Result<V, Error<E>>) -> bool {
        !matches!(out.as_ref().map_err(Error::verdict), Err(Ok(verdict)) if !verdict.sent())
    }

    fn refused(&self, out: &Result<V, Error<E>>) -> Option<Duration> {
        match out.as_ref().map_err(Error::verdict) {
            Err(Ok(verdict)) => verdict.refused(),
            _ => None,
        }
    }
}
