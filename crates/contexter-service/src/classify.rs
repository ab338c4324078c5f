//! One vocabulary for what an outcome means.

use std::time::Duration;

/// What an outcome teaches a mechanism about the health of the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sample {
    /// The far side works.
    Success,
    /// The far side does not work.
    Failure,
    /// The outcome says nothing about the far side: it changes no counter and no state.
    Neutral,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Again {
    /// The same call would end the same way.
    No,
    /// The same call may succeed, not before `after` if the far side named a time.
    Yes {
        /// The wait that the far side asked for.
        after: Option<Duration>,
    },
}

/// Reads an outcome.
///
/// Closures `Fn(&Out) -> (Sample, Again)` are classifiers too.
///
/// # Examples
///
/// ```
/// use contexter_service::{Again, Classify, Sample};
///
/// let by_status = |out: &Result<u16, ()>| match out {
///     Ok(500..) => (Sample::Failure, Again::Yes { after: None }),
///     Ok(429) => (Sample::Neutral, Again::Yes { after: None }),
///     Ok(_) => (Sample::Success, Again::No),
///     Err(()) => (Sample::Failure, Again::Yes { after: None }),
/// };
/// assert_eq!(by_status.sample(&Ok(429)), Sample::Neutral);
/// ```
pub trait Classify<Out>: Send + Sync {
    /// Returns what the outcome teaches about the health of the far side.
    fn sample(&self, out: &Out) -> Sample;
    /// Returns whether trying again can help.
    fn again(&self, out: &Out) -> Again;

    /// Returns whether the request may have reached the far side; `true` unless it is known that
    /// it did not. Only such a call is repeated if repeating it could do harm.
    fn sent(&self, out: &Out) -> bool {
        let _ = out;
        true
    }

    /// Returns for how long the far side wants no call at all, such as until a used-up quota is
    /// renewed; a breaker then opens at once, for that time. Never by default.
    fn trip(&self, out: &Out) -> Option<Duration> {
        let _ = out;
        None
    }

    /// Returns, if a mechanism on this side refused the call without sending it, how long until it
    /// may admit one; a retry can be told to wait for that once. Nothing by default.
    fn refused(&self, out: &Out) -> Option<Duration> {
        let _ = out;
        None
    }
}

impl<Out, F> Classify<Out> for F
where
    F: Fn(&Out) -> (Sample, Again) + Send + Sync,
{
    fn sample(&self, out: &Out) -> Sample {
        self(out).0
    }

    fn again(&self, out: &Out) -> Again {
        self(out).1
    }
}

/// An error type that knows what it means; [`ByVerdict`] reads it.
pub trait Verdict {
    /// Returns what this error teaches about the health of the far side.
    fn sample(&self) -> Sample;
    /// Returns whether trying again can help.
    fn again(&self) -> Again;

    /// As [`Classify::sent`]; `true` by default.
    fn sent(&self) -> bool {
        true
    }

    /// As [`Classify::trip`]; never by default.
    fn trip(&self) -> Option<Duration> {
        None
    }

    /// As [`Classify::refused`]; nothing by default.
    fn refused(&self) -> Option<Duration> {
        None
    }
}

/// Classifies any `Result<T, E>` by the [`Verdict`] of its error; `Ok` is a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByVerdict;

impl<T, E: Verdict> Classify<Result<T, E>> for ByVerdict {
    fn sample(&self, out: &Result<T, E>) -> Sample {
        match out {
            Ok(_) => Sample::Success,
            Err(error) => error.sample(),
        }
    }

    fn again(&self, out: &Result<T, E>) -> Again {
        match out {
            Ok(_) => Again::No,
            Err(error) => error.again(),
        }
    }

    fn sent(&self, out: &Result<T, E>) -> bool {
        out.as_ref().err().is_none_or(Verdict::sent)
    }

    fn trip(&self, out: &Result<T, E>) -> Option<Duration> {
        out.as_ref().err().and_then(Verdict::trip)
    }

    fn refused(&self, out: &Result<T, E>) -> Option<Duration> {
        out.as_ref().err().and_then(Verdict::refused)
    }
}

/// Classifies any `Result<T, E>`: every error is a failure that may be retried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrIsFailure;

impl<T, E> Classify<Result<T, E>> for ErrIsFailure {
    fn sample(&self, out: &Result<T, E>) -> Sample {
        match out {
            Ok(_) => Sample::Success,
            Err(_) => Sample::Failure,
        }
    }

    fn again(&self, out: &Result<T, E>) -> Again {
        match out {
            Ok(_) => Again::No,
            Err(_) => Again::Yes { after: None },
        }
    }
}
