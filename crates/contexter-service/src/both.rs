//! Two failures of one call.

use std::time::Duration;

use crate::{Again, Sample, Verdict};

/// A call failed, and what was to help then failed as well.
///
/// Like the rejections this is data: an error type of one's own takes it up with
/// `From<Both<Self>>` (boxed, since it holds two errors of that type), and a mechanism that tries
/// something else after a failure can then return both without nesting its errors.
///
/// # Examples
///
/// ```
/// use contexter_service::Both;
///
/// #[derive(Debug, thiserror::Error)]
/// enum AppError {
///     #[error("status {0}")]
///     Status(u16),
///     #[error("no answer from anywhere")]
///     Nowhere(#[source] Box<Both<AppError>>),
/// }
///
/// impl From<Both<AppError>> for AppError {
///     fn from(both: Both<AppError>) -> Self {
///         Self::Nowhere(Box::new(both))
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fallback failed too: {fallback}")]
pub struct Both<E, F = E> {
    /// Why the call itself failed.
    #[source]
    pub original: E,
    /// Why the fallback failed.
    pub fallback: F,
}

/// The original error speaks: the fallback says nothing about the far side that was called.
impl<E: Verdict, F> Verdict for Both<E, F> {
    fn sample(&self) -> Sample {
        self.original.sample()
    }

    fn again(&self) -> Again {
        self.original.again()
    }

    fn sent(&self) -> bool {
        self.original.sent()
    }

    fn trip(&self) -> Option<Duration> {
        self.original.trip()
    }

    fn refused(&self) -> Option<Duration> {
        self.original.refused()
    }
}
