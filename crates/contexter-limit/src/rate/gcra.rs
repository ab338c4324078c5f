//! The generic cell rate algorithm: one quota is one number, the theoretical arrival time.
//!
//! The number says when the quota would be whole again. A call moves it by its cost, and may go as
//! soon as it is no further ahead than the tolerance, which is the cost of a whole burst. Nothing
//! has to be refilled, no matter how long nobody calls.
//!
//! Source: ITU-T I.371 (03/2004), the virtual scheduling algorithm of annex A.

use crate::sync::{AtomicU64, Ordering};

/// How fast a quota renews itself, and how far it lets calls go ahead. In ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The time that renews 1 of the quota.
    pub(crate) interval: u64,
    /// The time that renews a whole burst: `burst × interval`.
    pub(crate) tolerance: u64,
}

impl Pace {
    /// Returns the cost of a call in time; `None` if it is more than a burst, so that the call can
    /// never be admitted.
    #[inline]
    pub(crate) fn cost(self, weight: u64) -> Option<u64> {
        weight
            .checked_mul(self.interval)
            .filter(|&cost| cost <= self.tolerance)
    }

    /// Returns the moment from which a reservation that ends at `end` may be used.
    #[inline]
    fn due(self, end: u64) -> u64 {
        end.saturating_sub(self.tolerance)
    }
}

/// What a call has taken of one quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Where the quota stood: at the arrival, or at the end of what was taken before.
    begin: u64,
    /// Where it stood afterwards.
    end: u64,
    /// From when on the call may go.
    pub(crate) due: u64,
}

/// The state of one quota.
///
/// All orderings are relaxed: the number guards no other memory.
#[derive(Debug)]
pub(crate) struct Arrival(AtomicU64);

impl Arrival {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Returns from which moment on a call of this cost could go, without taking anything.
    #[inline]
    pub(crate) fn due(&self, pace: Pace, now: u64, cost: u64) -> u64 {
        let begin = self.0.load(Ordering::Relaxed).max(now);
        begin
            .checked_add(cost)
            .map_or(u64::MAX, |end| pace.due(end))
    }

    /// Takes `cost` if the call may then go by `latest`.
    #[inline]
    pub(crate) fn take(&self, pace: Pace, now: u64, cost: u64, latest: u64) -> Option<Taken> {
        let mut found = self.0.load(Ordering::Relaxed);
        loop {
            let begin = found.max(now);
            // Past the end of time nothing is admitted.
            let end = begin.checked_add(cost)?;
            let due = pace.due(end);
            if due > latest {
                return None;
            }
            match self.exchange(found, end) {
                Ok(()) => return Some(Taken { begin, end, due }),
                Err(other) => found = other,
            }
        }
    }

    /// Gives back what a call has taken and not used, and returns whether it did.
    ///
    /// What somebody waits behind stays taken: that wait was promised to end after it. Who goes at
    /// once waits for nothing, so that it is given back from among those. Time that has passed since
    /// the call arrived has renewed that much of the quota in any case, and is not given twice.
    pub(crate) fn give_back(&self, pace: Pace, taken: Taken, now: impl Fn() -> u64) -> bool {
        let mut found = self.0.load(Ordering::Relaxed);
        loop {
            // Read after the state: whoever changed that arrived before this moment.
            let now = now();
            let last = found == taken.end;
            let nobody_waits = pace.due(found) <= now;
            if !(last || nobody_waits) {
                return false;
            }
            let unused = taken.end.saturating_sub(taken.begin.max(now));
            match self.exchange(found, found.saturating_sub(unused)) {
                Ok(()) => return true,
                Err(other) => found = other,
            }
        }
    }

    /// Lets a call take no more than `most` at once, and returns how much that is. In time.
    pub(crate) fn lower_to(&self, pace: Pace, now: u64, most: u64) -> u64 {
        let used = now.saturating_add(pace.tolerance.saturating_sub(most));
        let before = self.0.fetch_max(used, Ordering::Relaxed);
        pace.tolerance
            .saturating_sub(before.max(used).saturating_sub(now))
    }

    /// Makes the quota whole, as that of a new one.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Keeps how much of the quota is in use when its pace changes.
    pub(crate) fn rescale(&self, from: Pace, to: Pace, now: u64) {
        let mut found = self.0.load(Ordering::Relaxed);
        while let Some(ahead) = found.checked_sub(now).filter(|&ahead| ahead > 0) {
            let scaled =
                u128::from(ahead) * u128::from(to.interval) / u128::from(from.interval.max(1));
            let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
            match self.exchange(found, now.saturating_add(scaled)) {
                Ok(()) => return,
                Err(other) => found = other,
            }
        }
    }

    /// Returns how much of the quota a call could take at once.
    pub(crate) fn available(&self, pace: Pace, now: u64) -> u64 {
        let ahead = self.0.load(Ordering::Relaxed).saturating_sub(now);
        pace.tolerance.saturating_sub(ahead) / pace.interval.max(1)
    }

    /// Returns whether nothing of the quota is in use.
    pub(crate) fn is_whole(&self, now: u64) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }

    #[inline]
    fn exchange(&self, from: u64, to: u64) -> Result<(), u64> {
        self.0
            .compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .map(drop)
    }
}
