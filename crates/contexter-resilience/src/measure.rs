//! How long the last attempt took.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use contexter_service::Timer;
use pin_project_lite::pin_project;

pub(crate) struct LastOperation<T> {
    timer: T,
    /// In nanoseconds plus one; zero is never.
    nanos: AtomicU64,
}

impl<T: Timer> LastOperation<T> {
    pub(crate) fn new(timer: T) -> Self {
        Self {
            timer,
            nanos: AtomicU64::new(0),
        }
    }

    pub(crate) fn timer(&self) -> &T {
        &self.timer
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        let nanos = self.nanos.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_nanos(nanos))
    }

    /// Measures `fut` from now until it ends, also by being dropped.
    pub(crate) fn measure<Fut>(&self, fut: Fut) -> Measured<'_, Fut, T> {
        Measured {
            fut,
            stopwatch: Stopwatch {
                last: self,
                started: self.timer.now(),
                running: true,
            },
        }
    }
}

pin_project! {
    pub(crate) struct Measured<'a, Fut, T: Timer> {
        #[pin]
        fut: Fut,
        stopwatch: Stopwatch<'a, T>,
    }
}

impl<Fut: Future, T: Timer> Future for Measured<'_, Fut, T> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let out = this.fut.poll(cx);
        if out.is_ready() {
            this.stopwatch.stop();
        }
        out
    }
}

struct Stopwatch<'a, T: Timer> {
    last: &'a LastOperation<T>,
    started: Instant,
    running: bool,
}

impl<T: Timer> Stopwatch<'_, T> {
    fn stop(&mut self) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let took = self
            .last
            .timer
            .now()
            .saturating_duration_since(self.started);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX - 1);
        self.last.nanos.store(nanos + 1, Ordering::Relaxed);
    }
}

impl<T: Timer> Drop for Stopwatch<'_, T> {
    fn drop(&mut self) {
        self.stop();
    }
}
