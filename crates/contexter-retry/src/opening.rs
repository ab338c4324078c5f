//! What a call must know before anything has failed, in one word.

use std::sync::atomic::{AtomicU64, Ordering};

const TIMED: u64 = 1;
const BUDGETED: u64 = 1 << 1;
const WAITS: u64 = 1 << 2;
const ATTEMPTS_SHIFT: u32 = 32;

/// The settings that a call needs at once. A call that succeeds at once reads no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening(u64);

impl Opening {
    pub(crate) fn new(max_attempts: u32) -> Self {
        Self(u64::from(max_attempts) << ATTEMPTS_SHIFT)
    }

    /// Says whether the start of a call must be remembered.
    pub(crate) const fn timed(self, on: bool) -> Self {
        self.with(TIMED, on)
    }

    /// Says whether repeats are bounded by a budget.
    pub(crate) const fn budgeted(self, on: bool) -> Self {
        self.with(BUDGETED, on)
    }

    /// Says whether a refusal may be waited for.
    pub(crate) const fn waits_if_refused(self, on: bool) -> Self {
        self.with(WAITS, on)
    }

    const fn with(self, flag: u64, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }

    #[inline]
    pub(crate) const fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    #[inline]
    pub(crate) const fn is_budgeted(self) -> bool {
        self.0 & BUDGETED != 0
    }

    #[inline]
    pub(crate) const fn is_waiting_if_refused(self) -> bool {
        self.0 & WAITS != 0
    }

    #[inline]
    pub(crate) fn max_attempts(self) -> u32 {
        u32::try_from(self.0 >> ATTEMPTS_SHIFT).expect("32 bits are left after the shift")
    }
}

/// An [`Opening`] that is replaced as a whole.
#[derive(Debug)]
pub(crate) struct SharedOpening(AtomicU64);

impl SharedOpening {
    pub(crate) fn new(opening: Opening) -> Self {
        Self(AtomicU64::new(opening.0))
    }

    /// Relaxed: the word guards no other memory.
    #[inline]
    pub(crate) fn get(&self) -> Opening {
        Opening(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, opening: Opening) {
        self.0.store(opening.0, Ordering::Relaxed);
    }
}
