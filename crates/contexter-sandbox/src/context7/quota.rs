//! How many calls there may be: in a minute, and in a month.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio::time::Instant;

use super::refusal::Refusal;

const WINDOW: Duration = Duration::from_mins(1);

/// What one account, or all anonymous callers together, have used.
#[derive(Debug)]
pub(super) struct Quota {
    per_minute: u64,
    per_month: Option<u64>,
    window: Option<(Instant, u64)>,
    month: (i16, i8),
    used: u64,
    anonymous: bool,
}

impl Quota {
    pub(super) fn new(per_minute: u64, per_month: Option<u64>, anonymous: bool) -> Self {
        Self {
            per_minute,
            per_month,
            window: None,
            month: (0, 0),
            used: 0,
            anonymous,
        }
    }

    /// Takes one call, or refuses it and takes nothing. A used-up month is told before a full
    /// minute: no wait of a minute helps.
    pub(super) fn take(&mut self, now: Instant, today: Timestamp) -> Result<(), Refusal> {
        let date = TimeZone::UTC.to_datetime(today).date();
        let month = (date.year(), date.month());
        if month != self.month {
            (self.month, self.used) = (month, 0);
        }
        if let Some(limit) = self.per_month.filter(|limit| self.used >= *limit) {
            return Err(Refusal::quota_exhausted(
                limit,
                (today, month_end(today)),
                self.anonymous,
            ));
        }
        let (began, in_window) = match self.window {
            Some((began, count)) if now.saturating_duration_since(began) < WINDOW => (began, count),
            _ => (now, 0),
        };
        if in_window >= self.per_minute {
            let left = WINDOW.saturating_sub(now.saturating_duration_since(began));
            return Err(Refusal::throttled(
                self.per_minute,
                left,
                today,
                self.anonymous,
            ));
        }
        self.window = Some((began, in_window + 1));
        self.used += 1;
        Ok(())
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }
}

/// Returns when the next month begins.
fn month_end(today: Timestamp) -> Timestamp {
    let date = TimeZone::UTC.to_datetime(today).date();
    let next = date.first_of_month().saturating_add(1.month());
    TimeZone::UTC
        .to_timestamp(next.to_datetime(Time::midnight()))
        .unwrap_or(today)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_full_minute_says_how_long_it_lasts_and_a_new_one_begins_after_it() {
        let mut quota = Quota::new(2, None, false);
        let (start, today) = (Instant::now(), at("2026-11-26T10:00:00Z"));
        quota.take(start, today).unwrap();
        quota.take(start, today).unwrap();
        let later = start + Duration::from_secs(15);
        let refusal = quota.take(later, today).unwrap_err();
        assert_eq!(refusal.status().as_u16(), 429);
        assert_eq!(refusal.retry_after(), Some(45));
        quota.take(start + WINDOW, today).unwrap();
        assert_eq!(quota.used(), 3);
    }

    #[test]
    fn a_used_up_month_lasts_until_the_next_one() {
        let mut quota = Quota::new(100, Some(1), false);
        let start = Instant::now();
        quota.take(start, at("2026-12-31T23:00:00Z")).unwrap();
        let refusal = quota.take(start, at("2026-12-31T23:30:00Z")).unwrap_err();
        assert_eq!(refusal.retry_after(), Some(1_800));
        assert!(refusal.message().starts_with("Monthly quota exceeded."));
        quota.take(start, at("2027-01-01T00:00:00Z")).unwrap();
    }
}
