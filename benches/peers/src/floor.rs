//! Reference code: what a lean design costs. It is no product.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use contexter_service::{Clock, StdClock};
use parking_lot::Mutex;
use pin_project_lite::pin_project;

use crate::operation::{Error, Outcome};

/// The failures in a row that open it.
const FAILURES: u32 = 5;

/// Consecutive failures on two atomics with a drop guard: a success costs one load on entry and
/// one on exit, and a store only after a failure.
pub(crate) struct Atomic {
    // The lowest bit says open, the others count calls that were dropped.
    state: AtomicU32,
    failures: AtomicU32,
}

impl Atomic {
    pub(crate) fn closed() -> Self {
        Self {
            state: AtomicU32::new(0),
            failures: AtomicU32::new(0),
        }
    }

    pub(crate) fn open() -> Self {
        Self {
            state: AtomicU32::new(1),
            failures: AtomicU32::new(0),
        }
    }

    /// Runs `operation`, as an `async fn`.
    pub(crate) async fn call<F: Future<Output = Outcome>>(&self, operation: F) -> Outcome {
        struct Guard<'a>(&'a Atomic, bool);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if self.1 {
                    self.0.abandon();
                }
            }
        }
        if self.is_open() {
            return Err(Error::Open);
        }
        let mut guard = Guard(self, true);
        let outcome = operation.await;
        guard.1 = false;
        self.record(&outcome);
        outcome
    }

    /// Runs `operation`, as a named future.
    pub(crate) fn wrap<F: Future<Output = Outcome>>(&self, operation: F) -> Named<'_, F> {
        Named {
            breaker: self,
            operation,
            stage: Stage::Start,
        }
    }

    fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) & 1 != 0
    }

    fn abandon(&self) {
        self.state.fetch_add(2, Ordering::Relaxed);
    }

    fn record(&self, outcome: &Outcome) {
        match outcome {
            Ok(_) => {
                if self.failures.load(Ordering::Relaxed) != 0 {
                    self.failures.store(0, Ordering::Relaxed);
                }
            }
            Err(_) => {
                if self.failures.fetch_add(1, Ordering::AcqRel) + 1 >= FAILURES {
                    self.state.fetch_or(1, Ordering::Release);
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Running,
    Done,
}

pin_project! {
    /// The future of [`Atomic::wrap`].
    pub(crate) struct Named<'a, F> {
        breaker: &'a Atomic,
        #[pin]
        operation: F,
        stage: Stage,
    }

    impl<F> PinnedDrop for Named<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.stage == Stage::Running {
                this.breaker.abandon();
            }
        }
    }
}

impl<F: Future<Output = Outcome>> Future for Named<'_, F> {
    type Output = Outcome;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        if *this.stage == Stage::Start {
            if this.breaker.is_open() {
                *this.stage = Stage::Done;
                return Poll::Ready(Err(Error::Open));
            }
            *this.stage = Stage::Running;
        }
        let outcome = ready!(this.operation.poll(cx));
        *this.stage = Stage::Done;
        this.breaker.record(&outcome);
        Poll::Ready(outcome)
    }
}

/// How many calls the ring of [`Locked`] holds.
const RING: u32 = 100;

/// A window of the last calls, one bit each, behind a mutex; calls are timed.
pub(crate) struct Locked(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    bits: [u64; 2],
    at: u32,
    len: u32,
    failures: u32,
    open_until: Option<Instant>,
}

impl Locked {
    pub(crate) fn closed() -> Self {
        Self(Mutex::default())
    }

    /// Runs `operation`, as an `async fn`: two looks at the clock, two at the lock.
    pub(crate) async fn call<F: Future<Output = Outcome>>(&self, operation: F) -> Outcome {
        if self.0.lock().open_until.is_some() {
            return Err(Error::Open);
        }
        let start = StdClock.now();
        let outcome = operation.await;
        let slow = start.elapsed() > Duration::from_secs(1);
        let bad = outcome.is_err() || slow;
        let mut ring = self.0.lock();
        let (word, bit) = ((ring.at / 64) as usize, 1 << (ring.at % 64));
        if ring.len == RING {
            ring.failures -= u32::from(ring.bits[word] & bit != 0);
        } else {
            ring.len += 1;
        }
        if bad {
            ring.bits[word] |= bit;
            ring.failures += 1;
        } else {
            ring.bits[word] &= !bit;
        }
        ring.at = (ring.at + 1) % RING;
        if ring.len == RING && ring.failures >= RING / 2 {
            ring.open_until = Some(start + Duration::from_secs(30));
        }
        outcome
    }
}
