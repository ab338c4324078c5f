//! The right to make one call, and the duty to say how it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{Clock, DefaultClock, Open, Sample};

use crate::held::Held;
use crate::machine::Machine;

/// The right to make one call, from [`Breaker::try_acquire`](crate::Breaker::try_acquire).
///
/// Dropping it unrecorded counts by the setting [`Abandoned`](crate::Abandoned), as a failure while
/// panicking and as neutral if it was [`superseded`](contexter_service::superseded), and gives a
/// probe's place back. An outcome that arrives after the breaker has changed
/// its state teaches nothing.
#[must_use = "dropping a permit counts the call as abandoned"]
pub struct Permit<'a, C: Clock = DefaultClock> {
    held: Held<&'a Machine<C>>,
}

/// A [`Permit`] that keeps the breaker alive by itself; from
/// [`Breaker::try_acquire_owned`](crate::Breaker::try_acquire_owned).
///
/// For a call whose end is seen elsewhere: it goes along with a stream or a response body, and is
/// recorded, or dropped, with it.
#[must_use = "dropping a permit counts the call as abandoned"]
pub struct OwnedPermit<C: Clock = DefaultClock> {
    held: Held<Arc<Machine<C>>>,
}

impl<'a, C: Clock> Permit<'a, C> {
    pub(crate) fn admit(machine: &'a Machine<C>) -> Result<Self, Open> {
        Held::admit(machine).map(|held| Self { held })
    }

    /// Says how the call ended.
    pub fn record(self, sample: Sample) {
        self.held.record(sample);
    }

    /// Says that the far side wants no call for `duration`: the breaker opens at once, for that
    /// time or [`max_trip`](crate::Config::max_trip), whichever is shorter.
    pub fn trip(self, duration: Duration) {
        self.held.trip(duration);
    }
}

impl<C: Clock> OwnedPermit<C> {
    pub(crate) fn admit(machine: Arc<Machine<C>>) -> Result<Self, Open> {
        Held::admit(machine).map(|held| Self { held })
    }

    /// Says how the call ended.
    pub fn record(self, sample: Sample) {
        self.held.record(sample);
    }

    /// As [`Permit::trip`].
    pub fn trip(self, duration: Duration) {
        self.held.trip(duration);
    }
}

impl<C: Clock> fmt::Debug for Permit<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.held.handle).finish()
    }
}

impl<C: Clock> fmt::Debug for OwnedPermit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedPermit")
            .field(&self.held.handle)
            .finish()
    }
}
