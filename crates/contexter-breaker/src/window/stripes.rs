//! Successes that wait, each thread's on a cache line of its own.
//!
//! As long as no number of successes can open the breaker, their order among one another does not
//! matter, and neither does when they are added to the window: only that it happens before the next
//! outcome that can. So a thread counts its successes on its own line, and whoever takes the lock to
//! add or read anything collects them first. Every outcome is in the window for every decision.

use std::ops::Range;

use crate::sync::{AtomicU64, Ordering, slot};

#[cfg(not(all(test, contexter_loom)))]
const STRIPES: usize = 8;
#[cfg(all(test, contexter_loom))]
const STRIPES: usize = 2;

/// An era in the upper half of a stripe's word, successes in the lower.
const ERA: u64 = 1 << 32;

/// The stripes of one breaker. Threads beyond their number share them.
#[derive(Debug, Default)]
pub(crate) struct Stripes {
    stripes: [Stripe; STRIPES],
    /// Names the last arming. Here, because stripes outlive windows: a call may have read a word that
    /// was armed for another one. Written under the breaker's lock.
    era: AtomicU64,
}

/// Two lines, because processors fetch them in pairs.
///
/// The word is zero while disarmed. Armed, it carries an era that was never used before, so an
/// exchange that expects it succeeds only if the other fields are still those of that era. They
/// change only under the breaker's lock and while the stripe is disarmed.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    word: AtomicU64,
    generation: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
}

/// A set of stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots(u32);

impl Slots {
    /// Adds the stripe of this thread.
    pub(crate) fn with_own(self) -> Self {
        Self(self.0 | 1 << (slot() % STRIPES))
    }

    fn contains(self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }
}

impl Stripes {
    /// Counts a success that ended at `now`, if this thread's stripe is armed for it.
    #[inline]
    pub(crate) fn add(&self, generation: u32, now: u64) -> bool {
        self.stripes
            .get(slot() % STRIPES)
            .is_some_and(|stripe| stripe.add(generation, now))
    }

    /// Empties and disarms all stripes, and returns which were armed. Successes of `generation` are
    /// passed on with the beginning of the time they belong to. Needs the breaker's lock.
    pub(crate) fn disarm(&self, generation: u32, mut keep: impl FnMut(u64, u32)) -> Slots {
        let mut armed = 0;
        for (index, stripe) in self.stripes.iter().enumerate() {
            if stripe.word.load(Ordering::Acquire) == 0 {
                continue;
            }
            armed |= 1 << index;
            let word = stripe.word.swap(0, Ordering::AcqRel);
            let successes = crate::word::field(word, 0, 32);
            if successes > 0 && stripe.generation.load(Ordering::Relaxed) == generation.into() {
                keep(stripe.start.load(Ordering::Relaxed), successes);
            }
        }
        Slots(armed)
    }

    /// Lets stripes that are disarmed count successes of `generation` that end within `span`, in an
    /// era not used before. Needs the breaker's lock.
    pub(crate) fn arm(&self, slots: Slots, generation: u32, span: Range<u64>) {
        // In half a word, and never zero.
        let era = self.era.load(Ordering::Relaxed) % (ERA - 1) + 1;
        self.era.store(era, Ordering::Relaxed);
        for (index, stripe) in self.stripes.iter().enumerate() {
            if slots.contains(index) {
                stripe
                    .generation
                    .store(generation.into(), Ordering::Relaxed);
                stripe.start.store(span.start, Ordering::Relaxed);
                stripe.end.store(span.end, Ordering::Relaxed);
                stripe.word.store(era * ERA, Ordering::Release);
            }
        }
    }
}

impl Stripe {
    #[inline]
    fn add(&self, generation: u32, now: u64) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let full = word & (ERA - 1) == ERA - 1;
            if word == 0
                || full
                || self.generation.load(Ordering::Relaxed) != u64::from(generation)
                || now < self.start.load(Ordering::Relaxed)
                || now >= self.end.load(Ordering::Relaxed)
            {
                return false;
            }
            // Release: the fields were read before it. Whoever disarms the stripe acquires it.
            match self
                .word
                .compare_exchange(word, word + 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
    }
}

#[cfg(all(test, not(contexter_loom)))]
mod tests {
    use super::*;
    use crate::{Config, Window, machine::Machine};
    use contexter_service::{ManualClock, Sample};

    #[test]
    fn a_new_window_does_not_use_an_era_of_the_old_one_again() {
        let config = |calls| Config::new().window(Window::Calls(calls));
        let machine = Machine::new(config(20), ManualClock::new()).unwrap();
        let armed = || {
            let ticket = machine.admit().unwrap();
            machine.settle(ticket, crate::outcome::Outcome::Taught(Sample::Success));
            let stripes = machine.hot.stripes.get().unwrap();
            let word = stripes.stripes[slot() % STRIPES]
                .word
                .load(Ordering::Acquire);
            assert_ne!(word, 0);
            word / ERA
        };
        let mut eras = vec![armed()];
        for next in [config(30), Config::new(), config(20)] {
            machine.reconfigure(next).unwrap();
            if next.window.is_some() {
                eras.push(armed());
            }
        }
        assert_eq!(eras, [1, 2, 3]);
    }
}
