//! A ticket together with the breaker it is for: what all permits and futures hold.

use std::sync::Arc;
use std::time::Duration;

use contexter_service::{Clock, Open, Sample, is_superseded};

use crate::Breaker;
use crate::machine::{Machine, Ticket};
use crate::outcome::Outcome;

/// A reference to a breaker's state, borrowed or owned.
pub(crate) trait Handle {
    type Clock: Clock;

    fn machine(&self) -> &Machine<Self::Clock>;
}

impl<C: Clock> Handle for &Machine<C> {
    type Clock = C;

    #[inline]
    fn machine(&self) -> &Machine<C> {
        self
    }
}

impl<C: Clock> Handle for Arc<Machine<C>> {
    type Clock = C;

    #[inline]
    fn machine(&self) -> &Machine<C> {
        self
    }
}

impl<C: Clock, K> Handle for Breaker<C, K> {
    type Clock = C;

    #[inline]
    fn machine(&self) -> &Machine<C> {
        &self.machine
    }
}

impl<C: Clock, K> Handle for &Breaker<C, K> {
    type Clock = C;

    #[inline]
    fn machine(&self) -> &Machine<C> {
        &self.machine
    }
}

/// An admitted call. Dropped without an outcome, it is abandoned.
#[derive(Debug)]
pub(crate) struct Held<H: Handle> {
    pub(crate) handle: H,
    ticket: Ticket,
    settled: bool,
}

impl<H: Handle> Held<H> {
    #[inline]
    pub(crate) fn admit(handle: H) -> Result<Self, Open> {
        let ticket = handle.machine().admit()?;
        Ok(Self {
            handle,
            ticket,
            settled: false,
        })
    }

    #[inline]
    pub(crate) fn record(mut self, sample: Sample) {
        self.settled = true;
        self.handle
            .machine()
            .settle(self.ticket, Outcome::Taught(sample));
    }

    pub(crate) fn trip(mut self, duration: Duration) {
        self.settled = true;
        self.handle.machine().trip(self.ticket, duration);
    }
}

/// Ends an admitted call that has no outcome.
#[cold]
pub(crate) fn abandon<H: Handle>(handle: &H, ticket: Ticket) {
    let outcome = if std::thread::panicking() {
        Outcome::Taught(Sample::Failure)
    } else if is_superseded() {
        Outcome::Taught(Sample::Neutral)
    } else {
        Outcome::Abandoned
    };
    handle.machine().settle(ticket, outcome);
}

impl<H: Handle> Drop for Held<H> {
    #[inline]
    fn drop(&mut self) {
        if !self.settled {
            abandon(&self.handle, self.ticket);
        }
    }
}
