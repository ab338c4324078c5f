//! How often an event is tried, and when.

use std::time::Duration;

use contexter_service::Backoff;

/// The longest wait between two attempts, whatever a handler asks for.
pub(crate) const MAX_WAIT: Duration = Duration::from_hours(24);

/// No delay grows any more after so many doublings.
const GROWN: u32 = 63;

/// Two levels of attempts: a few in one go, then a delay, and again.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    pub(crate) max: u32,
    /// How many follow each other without a delay, at least 1.
    pub(crate) in_one_go: u32,
    pub(crate) backoff: Backoff,
}

impl Attempts {
    /// Returns whether there is another attempt after this one.
    pub(crate) fn has_after(&self, attempt: u32) -> bool {
        attempt < self.max
    }

    /// Returns whether the next attempt follows this one without a delay.
    pub(crate) fn is_at_once_after(&self, attempt: u32) -> bool {
        !attempt.is_multiple_of(self.in_one_go)
    }

    /// Returns whether an attempt, counted from 1, is the first of a delivery.
    pub(crate) fn is_first(&self, attempt: u32) -> bool {
        !self.is_at_once_after(attempt.saturating_sub(1))
    }

    /// Returns how many attempts follow each other without a delay from this one on, itself included.
    pub(crate) fn left_in_this_go(&self, attempt: u32) -> u32 {
        let before = attempt.saturating_sub(1) % self.in_one_go;
        let left = self.max.saturating_sub(attempt).saturating_add(1);
        left.min(self.in_one_go - before).max(1)
    }

    /// Returns how many deliveries all attempts take.
    pub(crate) fn deliveries(&self) -> u32 {
        self.max.div_ceil(self.in_one_go)
    }

    /// Returns the first attempt of a delivery by a broker, both counted from 1.
    pub(crate) fn first_of(&self, delivery: u32) -> u32 {
        (delivery - 1)
            .saturating_mul(self.in_one_go)
            .saturating_add(1)
    }

    /// Returns the delay before the delivery that follows this attempt.
    pub(crate) fn delay_after(&self, attempt: u32) -> Duration {
        let goes = attempt.saturating_sub(1) / self.in_one_go;
        let nth = usize::try_from(goes.min(GROWN)).unwrap_or_default();
        self.backoff.delays().nth(nth).unwrap_or(MAX_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(max: u32, in_one_go: u32) -> Attempts {
        let backoff = Backoff::constant(Duration::from_secs(1)).unwrap();
        Attempts {
            max,
            in_one_go,
            backoff,
        }
    }

    #[test]
    fn deliveries_cover_all_attempts_and_no_more() {
        for (max, in_one_go, deliveries) in [(1, 1, 1), (3, 1, 3), (6, 3, 2), (7, 3, 3), (2, 5, 1)]
        {
            let attempts = attempts(max, in_one_go);
            assert_eq!(attempts.deliveries(), deliveries);
            assert!(attempts.first_of(deliveries) <= max);
            assert!(attempts.first_of(deliveries + 1) > max);
        }
    }

    #[test]
    fn a_go_ends_with_its_number_of_attempts_or_with_the_last() {
        let left = |max, in_one_go, attempt| attempts(max, in_one_go).left_in_this_go(attempt);
        assert_eq!([1, 2, 3, 4].map(|n| left(4, 3, n)), [3, 2, 1, 1]);
        assert_eq!([1, 2, 3].map(|n| left(3, 1, n)), [1, 1, 1]);
        assert_eq!([1, 2, 9].map(|n| left(2, 5, n)), [2, 1, 1]);
        assert_eq!(left(u32::MAX, u32::MAX, 1), u32::MAX);
    }

    #[test]
    fn nothing_overflows_at_the_last_attempt() {
        let attempts = attempts(u32::MAX, 2);
        assert!(attempts.first_of(u32::MAX) == u32::MAX);
        assert!(attempts.delay_after(u32::MAX) <= MAX_WAIT);
    }
}
