//! The right to make one call, and the duty to say how it ended.

use contexter_service::{Clock, DefaultClock, Sample};

use crate::Abandoned;
use crate::machine::Machine;

/// The right to make one call, from [`Breaker::try_acquire`](crate::Breaker::try_acquire).
///
/// Dropping it unrecorded counts by the setting [`Abandoned`], as a failure while panicking, and
/// gives a probe's place back. An outcome that arrives after the breaker has changed its state
/// teaches nothing.
#[derive(Debug)]
#[must_use = "dropping a permit counts the call as abandoned"]
pub struct Permit<'a, C: Clock = DefaultClock> {
    machine: &'a Machine<C>,
    generation: u32,
    recorded: bool,
}

impl<'a, C: Clock> Permit<'a, C> {
    pub(crate) fn new(machine: &'a Machine<C>, generation: u32) -> Self {
        Self {
            machine,
            generation,
            recorded: false,
        }
    }

    /// Says how the call ended.
    pub fn record(mut self, sample: Sample) {
        self.recorded = true;
        self.machine.settle(self.generation, sample);
    }
}

impl<C: Clock> Drop for Permit<'_, C> {
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        let sample = if std::thread::panicking() {
            Sample::Failure
        } else {
            match self.machine.config().abandoned {
                Abandoned::Failure => Sample::Failure,
                Abandoned::Neutral => Sample::Neutral,
            }
        };
        self.machine.settle(self.generation, sample);
    }
}
