//! The calls of the last so much time, in buckets that expire one by one.

use std::ops::Range;

use super::Tally;

/// Sums are kept, so that neither reading nor adding depends on how many calls there are; moving on
/// costs one step for each bucket, also after an idle day.
const BUCKETS: u64 = 10;

#[derive(Debug)]
pub(crate) struct Buckets {
    /// Nanoseconds of one bucket; at least one.
    width: u64,
    /// The number of the newest bucket since time began.
    newest: u64,
    counts: [Tally; 10],
    sum: Tally,
}

impl Buckets {
    pub(crate) fn new(time: u64) -> Self {
        Self {
            width: (time / BUCKETS).max(1),
            newest: 0,
            counts: [Tally::default(); 10],
            sum: Tally::default(),
        }
    }

    /// Forgets the buckets that are too old at `now`. Never goes back.
    pub(crate) fn advance(&mut self, now: u64) {
        let tick = now / self.width;
        let steps = tick.saturating_sub(self.newest).min(BUCKETS);
        for back in 0..steps {
            let gone = self.slot(tick - back).map(std::mem::take);
            if let Some(gone) = gone {
                self.sum.subtract(gone);
            }
        }
        self.newest = self.newest.max(tick);
    }

    /// Adds calls that ended at `at`, unless that is too long ago.
    pub(crate) fn add(&mut self, at: u64, calls: Tally) {
        let tick = at / self.width;
        if self.newest.saturating_sub(tick) >= BUCKETS {
            return;
        }
        self.advance(at);
        if let Some(count) = self.slot(tick) {
            count.add(calls);
            self.sum.add(calls);
        }
    }

    fn slot(&mut self, tick: u64) -> Option<&mut Tally> {
        let index = usize::try_from(tick % BUCKETS).ok()?;
        self.counts.get_mut(index)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.sum
    }

    /// The time of the newest bucket.
    pub(crate) fn present(&self) -> Range<u64> {
        let start = self.newest.saturating_mul(self.width);
        start..start.saturating_add(self.width)
    }

    pub(crate) fn clear(&mut self) {
        self.counts = [Tally::default(); 10];
        self.sum = Tally::default();
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
        self.abandoned += other.abandoned;
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
        self.abandoned -= other.abandoned;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_exactly_what_ended_in_the_last_ten_buckets(
            time in 1..2_000_u64,
            // Also calls that ended a little before the newest one, as threads report them.
            steps in proptest::collection::vec((0..3_000_u64, 0..400_u64, 1..5_u64), 1..60),
        ) {
            let mut buckets = Buckets::new(time);
            let width = (time / 10).max(1);
            let (mut now, mut all) = (0, Vec::new());
            for (passed, late, calls) in steps {
                now += passed;
                buckets.advance(now);
                let at = now.saturating_sub(late);
                buckets.add(at, Tally { calls, ..Tally::default() });
                all.push((at, calls));
                let held: u64 = all
                    .iter()
                    .filter(|(at, _)| at / width + 10 > now / width)
                    .map(|(_, calls)| calls)
                    .sum();
                prop_assert_eq!(buckets.tally().calls, held);
            }
        }
    }

    #[test]
    fn the_longest_window_and_the_latest_time_do_not_overflow() {
        let mut buckets = Buckets::new(u64::MAX);
        let call = Tally {
            calls: 1,
            ..Tally::default()
        };
        buckets.add(0, call);
        buckets.add(u64::MAX, call);
        assert!(buckets.tally().calls >= 1);
        assert!(!buckets.present().is_empty());
        let mut shortest = Buckets::new(1);
        shortest.add(u64::MAX, call);
        assert_eq!(shortest.tally().calls, 1);
    }
}
