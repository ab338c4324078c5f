//! The public behaviour of the crate, on a manual clock and without a runtime where none matters.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod auto_traits;
mod cache;
#[cfg(feature = "serde")]
mod config;
mod events;
mod faces;
mod fallback;
mod single_flight;
mod stale;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Notes whether it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    /// Returns whether it was woken since the last time this was asked.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_with<F: Future>(future: Pin<&mut F>, flag: &Arc<Flag>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(flag));
    future.poll(&mut Context::from_waker(&waker))
}

/// Polls once a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(out) => out,
        Poll::Pending => panic!("the future is not ready"),
    }
}

/// An operation that the test ends, and whose executions it counts.
struct Gate<T> {
    state: Mutex<(Option<T>, Vec<Waker>)>,
    begun: AtomicUsize,
    dropped: AtomicUsize,
    polls: AtomicUsize,
}

impl<T: Clone> Gate<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((None, Vec::new())),
            begun: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            polls: AtomicUsize::new(0),
        })
    }

    /// Ends all executions with `value`.
    fn open(&self, value: T) {
        self.state.lock().unwrap().0 = Some(value);
        self.nudge();
    }

    /// Wakes whoever polls, as an operation does that makes progress.
    fn nudge(&self) {
        let wakers = std::mem::take(&mut self.state.lock().unwrap().1);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn begin(self: &Arc<Self>) -> Execution<T> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Execution {
            gate: Arc::clone(self),
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }
}

struct Execution<T> {
    gate: Arc<Gate<T>>,
}

impl<T: Clone> Future for Execution<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.gate.polls.fetch_add(1, Ordering::SeqCst);
        let mut state = self.gate.state.lock().unwrap();
        if let Some(value) = &state.0 {
            return Poll::Ready(value.clone());
        }
        state.1.push(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Execution<T> {
    fn drop(&mut self) {
        self.gate.dropped.fetch_add(1, Ordering::SeqCst);
    }
}
