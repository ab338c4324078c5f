//! What all cases run: the least that can be called an operation.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Again, Elapsed, Full, Limited, Open, Sample, Verdict};

/// How an operation fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Error {
    Failed,
    Open,
    Limited,
    Elapsed,
}

/// What an operation returns.
pub(crate) type Outcome = Result<u64, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}

impl From<Open> for Error {
    fn from(_: Open) -> Self {
        Self::Open
    }
}

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::Limited
    }
}

impl From<Limited> for Error {
    fn from(_: Limited) -> Self {
        Self::Limited
    }
}

impl From<Elapsed> for Error {
    fn from(_: Elapsed) -> Self {
        Self::Elapsed
    }
}

impl Verdict for Error {
    fn sample(&self) -> Sample {
        match self {
            Self::Failed | Self::Elapsed => Sample::Failure,
            Self::Open | Self::Limited => Sample::Neutral,
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Failed | Self::Elapsed => Again::Yes { after: None },
            Self::Open | Self::Limited => Again::No,
        }
    }
}

#[inline(never)]
fn work(x: u64) -> u64 {
    black_box(x.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Ready at its first poll.
pub(crate) async fn ready(x: u64) -> Outcome {
    Ok(work(x))
}

/// Pending once, as a call that goes out would be: timers are registered.
pub(crate) async fn pending(x: u64) -> Outcome {
    PendingOnce(false).await;
    Ok(work(x))
}

/// Fails at its first poll.
pub(crate) async fn fail(_: u64) -> Outcome {
    Err(Error::Failed)
}

/// Fails for one argument only, so that a service can be tripped.
pub(crate) async fn fail_at_max(x: u64) -> Outcome {
    if x == u64::MAX {
        Err(Error::Failed)
    } else {
        Ok(work(x))
    }
}

/// Wakes itself.
struct PendingOnce(bool);

impl Future for PendingOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
