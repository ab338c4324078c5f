//! The timer of the tokio runtime.

use std::time::Instant;

use tokio::task::coop::{Unconstrained, unconstrained};

use crate::{Clock, Timer};

/// Tokio's clock and timer; both follow time that a test has paused.
///
/// Reading the time works anywhere; waiting needs a tokio runtime with its timer enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokioTimer;

impl Clock for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Timer for TokioTimer {
    /// Outside tokio's cooperative budget: an operation that uses up the budget of its task at
    /// every poll must not keep its own timeout from ending it.
    type Sleep = Unconstrained<tokio::time::Sleep>;

    /// Waits until `deadline`.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime whose timer is enabled.
    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        unconstrained(tokio::time::sleep_until(tokio::time::Instant::from_std(
            deadline,
        )))
    }
}
