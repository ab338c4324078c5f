//! The public behaviour of the retry, on paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod bounds;
mod budget;
#[cfg(feature = "serde")]
mod config;
mod events;
mod gate;
mod hedge;
mod hedge_limits;
mod limits;
mod model;
mod retry_after;
mod schedule;
mod service;
#[cfg(feature = "tower")]
mod tower;

use std::cell::RefCell;
use std::future::{Future, Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use contexter_retry::Config;
use contexter_service::Jitter;
use tokio::time::Instant;

/// When the attempts were made, in milliseconds after the log was made.
#[derive(Clone)]
struct Log {
    start: Instant,
    at: Rc<RefCell<Vec<u64>>>,
}

impl Log {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            at: Rc::default(),
        }
    }

    fn note(&self) {
        self.at.borrow_mut().push(self.elapsed_ms());
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    fn at(&self) -> Vec<u64> {
        self.at.borrow().clone()
    }

    /// An operation that always fails at once.
    fn failing(&self) -> impl FnMut() -> Ready<Result<(), &'static str>> + use<> {
        let log = self.clone();
        move || {
            log.note();
            ready(Err("down"))
        }
    }

    /// An operation that always fails after `duration`.
    fn slow<'a>(&'a self, duration: Duration) -> impl FnMut() -> SlowFailure<'a> {
        move || {
            Box::pin(async move {
                self.note();
                tokio::time::sleep(duration).await;
                Err("late")
            })
        }
    }
}

type SlowFailure<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), &'static str>> + 'a>>;

/// The settings of the specification, without chance.
fn plain() -> Config {
    Config::new().jitter(Jitter::None)
}
