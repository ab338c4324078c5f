//! What scripted operations give, and what a guarded call gives back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_service::{Again, Both, Elapsed, Full, Limited, Open, Sample};

/// Something that an outcome holds until it is dropped, as a response holds its connection.
#[derive(Debug, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl Held {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a scripted operation gives when it succeeds.
#[derive(Clone, Debug)]
pub struct Value {
    pub(crate) number: usize,
    pub(crate) _held: Held,
}

/// What a scripted operation gives when it fails.
///
/// It implements the `Verdict` of level 0, and tells the same by its methods for those who do not
/// use that trait. A subject hands it back unchanged.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) number: usize,
    pub(crate) sample: Sample,
    pub(crate) again: Again,
    pub(crate) sent: bool,
    pub(crate) _held: Held,
}

impl Fault {
    /// Returns whether it says nothing about the far side: neither success nor failure.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        self.sample == Sample::Neutral
    }

    /// Returns whether trying again can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.again != Again::No
    }

    /// Returns the wait that the far side asked for, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.again {
            Again::No => None,
            Again::Yes { after } => after,
        }
    }

    /// Returns whether the request may have reached the far side.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.sent
    }
}

impl contexter_service::Verdict for Fault {
    fn sample(&self) -> Sample {
        self.sample
    }

    fn again(&self) -> Again {
        self.again
    }

    fn sent(&self) -> bool {
        self.sent
    }
}

/// Why a guarded call gave no value: the operation's own error, or a refusal of the mechanism.
///
/// It takes up every rejection of level 0 by `From`, so it is the error type of a flat stack.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The operation's error, unchanged.
    Op(Fault),
    /// A breaker refused the call.
    Open(Open),
    /// A limit on concurrent calls refused the call.
    Full(Full),
    /// A rate limit refused the call.
    Limited(Limited),
    /// The time of the call was over.
    Elapsed(Elapsed),
    /// The call failed, and so did what it fell back to.
    Both(Box<Both<Failure>>),
}

impl From<Both<Failure>> for Failure {
    fn from(both: Both<Failure>) -> Self {
        Self::Both(Box::new(both))
    }
}

impl Failure {
    pub(crate) fn op(&self) -> Option<&Fault> {
        match self {
            Self::Op(fault) => Some(fault),
            _ => None,
        }
    }
}

impl contexter_service::Verdict for Failure {
    fn sample(&self) -> Sample {
        match self {
            Self::Op(fault) => fault.sample(),
            Self::Open(open) => open.sample(),
            Self::Full(full) => full.sample(),
            Self::Limited(limited) => limited.sample(),
            Self::Elapsed(elapsed) => elapsed.sample(),
            Self::Both(both) => both.original.sample(),
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Op(fault) => fault.again(),
            Self::Open(open) => open.again(),
            Self::Full(full) => full.again(),
            Self::Limited(limited) => limited.again(),
            Self::Elapsed(elapsed) => elapsed.again(),
            Self::Both(both) => both.original.again(),
        }
    }

    fn sent(&self) -> bool {
        match self {
            Self::Op(fault) => fault.sent(),
            Self::Open(open) => open.sent(),
            Self::Full(full) => full.sent(),
            Self::Limited(limited) => limited.sent(),
            Self::Elapsed(elapsed) => elapsed.sent(),
            Self::Both(both) => both.original.sent(),
        }
    }
}

macro_rules! from {
    ($($variant:ident($inner:ty)),+) => {$(
        impl From<$inner> for Failure {
            fn from(inner: $inner) -> Self {
                Self::$variant(inner)
            }
        }
    )+};
}

from!(
    Op(Fault),
    Open(Open),
    Full(Full),
    Limited(Limited),
    Elapsed(Elapsed)
);

/// What a guarded call gives.
pub type Reply = Result<Value, Failure>;

/// A guarded call that has been made and not yet polled.
pub type Call<T = Reply> = Pin<Box<dyn Future<Output = T> + Send>>;
