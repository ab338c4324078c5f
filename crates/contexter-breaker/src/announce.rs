//! Transitions on their way to whoever listens.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use contexter_service::BreakerState;

/// How many transitions wait for a listener that is stuck; beyond it, new ones are not told.
const MAX_WAITING: usize = 1024;

/// A change of state as others see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) from: BreakerState,
    pub(crate) to: BreakerState,
    pub(crate) failures: u32,
}

/// The transitions not yet told, in order. One thread at a time tells them.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    waiting: VecDeque<Transition>,
    telling: bool,
}

impl Announcements {
    pub(crate) fn push(&mut self, transition: Transition) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(transition);
        }
    }

    /// Takes the next transition, if nobody else is telling one.
    pub(crate) fn take(&mut self) -> Option<Transition> {
        if self.telling {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.telling = true;
        Some(next)
    }

    pub(crate) fn told(&mut self) {
        self.telling = false;
    }
}

impl Transition {
    /// Emits the event. A listener that panics must not take the outcome of a call with it; the
    /// panic hook has reported it.
    pub(crate) fn tell(self, breaker: Option<&str>) {
        let (from, to, failures) = (self.from.as_str(), self.to.as_str(), self.failures);
        let told = catch_unwind(AssertUnwindSafe(|| {
            if self.to == BreakerState::Open {
                tracing::warn!(breaker, from, to, failures, "circuit breaker changed state");
            } else {
                tracing::info!(breaker, from, to, failures, "circuit breaker changed state");
            }
        }));
        drop(told);
    }
}
