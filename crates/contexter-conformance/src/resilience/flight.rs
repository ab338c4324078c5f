//! Polls calls by hand, so that a scenario decides every step.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Time;
use super::outcome::{Call, Failure, Fault, Reply, Value};
use crate::Unsupported;
use crate::verdict::{Checked, check};

/// How many waits in a row a call may make before the scenario gives it up.
const MAX_WAITS: usize = 250_000;

/// Runs a future that is ready at once, without a box; for [`at_once`](super::BreakerSubject).
///
/// # Errors
///
/// Fails if the future is not ready at its first poll.
///
/// # Examples
///
/// ```
/// use contexter_conformance::resilience::ready_at_once;
///
/// assert_eq!(ready_at_once(async { 7 }), Ok(7));
/// assert!(ready_at_once(std::future::pending::<()>()).is_err());
/// ```
pub fn ready_at_once<F: Future>(future: F) -> Result<F::Output, Unsupported> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(out) => Ok(out),
        Poll::Pending => Err(Unsupported::new("is not ready at the first poll")),
    }
}

/// What one poll of a call showed.
pub(crate) enum Seen<T = Reply> {
    Pending,
    Ready(T),
    /// The operation's panic came through.
    Panicked,
}

impl Seen {
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Ready(Ok(_)))
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }

    /// The operation's own error, if the call ended with it.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Ready(Err(failure)) => failure.op(),
            _ => None,
        }
    }

    /// The refusal or error, if the call ended with one.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Ready(Err(failure)) => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Ready(Ok(value)) => Some(value),
            _ => None,
        }
    }

    /// Ends the scenario unless the call gave the value of run `number`.
    pub(crate) fn expect_value(&self, what: &str, number: usize) -> Checked {
        check(
            self.value().is_some_and(|value| value.number == number),
            || format!("{what}: expected the value of run {number}, saw {self}"),
        )
    }

    /// Ends the scenario unless the call gave the error of run `number`.
    pub(crate) fn expect_fault(&self, what: &str, number: usize) -> Checked {
        check(
            self.fault().is_some_and(|fault| fault.number == number),
            || format!("{what}: expected the error of run {number}, saw {self}"),
        )
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("a call that has not ended"),
            Self::Panicked => f.write_str("a panic"),
            Self::Ready(Ok(value)) => write!(f, "the value of run {}", value.number),
            Self::Ready(Err(Failure::Op(fault))) => write!(f, "the error of run {}", fault.number),
            Self::Ready(Err(failure)) => write!(f, "{failure:?}"),
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A call under way, moved by the scenario. Dropping it drops the call.
pub(crate) struct Flight<T = Reply> {
    call: Call<T>,
    /// Kept when it has ended, so that what it still holds can be seen.
    ended: bool,
    woken: Arc<Woken>,
}

impl<T> Flight<T> {
    pub(crate) fn new(call: Call<T>) -> Self {
        Self {
            call,
            ended: false,
            woken: Arc::default(),
        }
    }

    /// Returns whether the call was woken since the last poll.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    pub(crate) fn poll(&mut self) -> Seen<T> {
        if self.ended {
            return Seen::Pending;
        }
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| self.call.as_mut().poll(&mut cx)));
        let seen = match polled {
            Ok(Poll::Pending) => return Seen::Pending,
            Ok(Poll::Ready(out)) => Seen::Ready(out),
            Err(_panic) => Seen::Panicked,
        };
        self.ended = true;
        seen
    }

    /// Polls, moving the time from wait to wait, until the call ends or nobody waits any more.
    pub(crate) fn drive(&mut self, time: &Time) -> Seen<T> {
        for _ in 0..MAX_WAITS {
            match self.poll() {
                Seen::Pending if self.is_woken() || time.step() => {}
                seen => return seen,
            }
        }
        Seen::Pending
    }
}

/// Makes a call and polls it once.
pub(crate) fn once<T>(call: Call<T>) -> Seen<T> {
    Flight::new(call).poll()
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
