//! Why a mechanism refused or gave up a call.
//!
//! These are data that many crates share: a mechanism produces them, and an error type of one's
//! own takes them up with `From`, so that a stack of mechanisms keeps one flat error type. A
//! rejection means "not sent": it is neutral for a breaker and is not retried where outcomes are read
//! by their [`Verdict`], with [`ByVerdict`](crate::ByVerdict). [`ErrIsFailure`](crate::ErrIsFailure),
//! the default of single mechanisms, knows no difference between errors.

use std::time::Duration;

use crate::{Again, Sample, Verdict};

/// A circuit breaker refused the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker is open{}", Remaining(self.retry_after))]
pub struct Open {
    /// How long until a call may be admitted; `None` while the breaker is held open by hand or
    /// while its probes are all in flight.
    pub retry_after: Option<Duration>,
}

/// A limit on concurrent calls refused the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many concurrent calls: limit {limit}")]
pub struct Full {
    /// The limit in force.
    pub limit: usize,
}

/// A rate limit refused the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate limit reached{}", Remaining(self.retry_after))]
pub struct Limited {
    /// How long until the call would be admitted.
    pub retry_after: Option<Duration>,
}

/// A call was given up because its time was over.
///
/// Unlike the rejections it may have reached the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation timed out after {after:?}")]
pub struct Elapsed {
    /// How long the call was allowed to take.
    pub after: Duration,
}

macro_rules! not_sent {
    ($($rejection:ty: $refused:expr;)+) => {$(
        /// The call was not sent: neutral, and not retried.
        impl Verdict for $rejection {
            fn sample(&self) -> Sample {
                Sample::Neutral
            }

            fn again(&self) -> Again {
                Again::No
            }

            fn sent(&self) -> bool {
                false
            }

            fn refused(&self) -> Option<Duration> {
                $refused(self)
            }
        }
    )+};
}

not_sent! {
    Open: |open: &Open| open.retry_after;
    Full: |_full: &Full| None;
    Limited: |limited: &Limited| limited.retry_after;
}

impl Elapsed {
    /// Returns whether the call was given up before it began, because no time was left for it.
    #[must_use]
    pub const fn is_not_sent(&self) -> bool {
        self.after.is_zero()
    }
}

/// The far side did not answer in time: a failure, and another attempt may be faster. A call that
/// had no time to begin says nothing about the far side.
impl Verdict for Elapsed {
    fn sample(&self) -> Sample {
        if self.is_not_sent() {
            Sample::Neutral
        } else {
            Sample::Failure
        }
    }

    fn again(&self) -> Again {
        if self.is_not_sent() {
            Again::No
        } else {
            Again::Yes { after: None }
        }
    }

    fn sent(&self) -> bool {
        !self.is_not_sent()
    }
}

/// An error type that takes up every rejection; what a stack of all mechanisms asks of one.
///
/// Implemented for every type that has the four conversions.
pub trait FromRejection: From<Open> + From<Full> + From<Limited> + From<Elapsed> {}

impl<E: From<Open> + From<Full> + From<Limited> + From<Elapsed>> FromRejection for E {}

struct Remaining(Option<Duration>);

impl std::fmt::Display for Remaining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(left) => write!(f, ", try again in {left:?}"),
            None => Ok(()),
        }
    }
}
