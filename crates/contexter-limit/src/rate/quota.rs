//! How much of something may be used in a period.

use std::time::Duration;

use contexter_service::InvalidConfig;

use super::gcra::Pace;
use super::ticks;

/// The longest period, and the longest time that a burst may take to be renewed: 10 years. Sums of
/// such times fit the clock of the limiter.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// A burst is this part of the limit if nobody says otherwise; the rest comes evenly over the
/// period.
const BURST_SHARE: u64 = 10;

/// What a quota promises about windows of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Shape {
    /// No window of one period, wherever it begins, sees more than the limit. What a burst takes
    /// goes off the rate: `burst + rate × period ≤ limit`.
    #[default]
    SlidingWindow,
    /// A bucket that holds a burst and is filled with the limit in each period, as far sides have
    /// that count that way themselves. A window of one period can see `burst + limit`.
    TokenBucket,
}

/// How much of a quota a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Takes {
    /// 1, whatever the call's weight is.
    One,
    /// The weight of the call, from its [`Cx`](contexter_service::Cx).
    Weight,
}

/// How much may be used in a period.
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `limit` | | at least 1 |
/// | `period` | | longer than zero, at most 10 years |
/// | `burst` | a tenth of the limit, rounded up; the whole limit of a [`Shape::TokenBucket`] | 1 to `limit`; renewed within 10 years |
/// | `shape` | [`Shape::SlidingWindow`] | |
/// | `takes` | [`Takes::Weight`] for `tokens`, otherwise [`Takes::One`] | |
///
/// A call that takes more than the burst can never be admitted.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_limit::Quota;
///
/// let quota = Quota::new(90, Duration::from_secs(1)).burst(20);
/// assert_eq!(quota.limit, 90);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Quota {
    /// How much may be used in one period.
    pub limit: u64,
    /// The length of the period.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub period: Duration,
    /// How much may be used at once; `None` means the default above.
    #[cfg_attr(feature = "serde", serde(default))]
    pub burst: Option<u64>,
    /// What is promised about windows of time.
    #[cfg_attr(feature = "serde", serde(default))]
    pub shape: Shape,
    /// How much a call takes; `None` means the default above.
    #[cfg_attr(feature = "serde", serde(default))]
    pub takes: Option<Takes>,
}

impl Quota {
    /// A quota of `limit` in each `period`, with the defaults above.
    #[must_use]
    pub const fn new(limit: u64, period: Duration) -> Self {
        Self {
            limit,
            period,
            burst: None,
            shape: Shape::SlidingWindow,
            takes: None,
        }
    }

    /// A quota of `limit` a second.
    #[must_use]
    pub const fn per_second(limit: u64) -> Self {
        Self::new(limit, Duration::from_secs(1))
    }

    /// A quota of `limit` a minute.
    #[must_use]
    pub const fn per_minute(limit: u64) -> Self {
        Self::new(limit, Duration::from_mins(1))
    }

    /// Sets how much may be used at once.
    ///
    /// Large bursts leave little for the rest of the period: a sliding window of 100 with a burst of
    /// 90 admits another one each tenth of the period. With the whole limit as burst, one call comes
    /// in each period after it.
    #[must_use]
    pub const fn burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Sets what is promised about windows of time; a sliding window by default.
    #[must_use]
    pub const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Sets how much a call takes.
    #[must_use]
    pub const fn takes(mut self, takes: Takes) -> Self {
        self.takes = Some(takes);
        self
    }

    /// Returns how much may be used at once.
    #[must_use]
    pub fn effective_burst(&self) -> u64 {
        self.burst.unwrap_or(match self.shape {
            Shape::SlidingWindow => self.limit.div_ceil(BURST_SHARE),
            Shape::TokenBucket => self.limit,
        })
    }

    /// Returns the time in which 1 of the quota is renewed, rounded up.
    #[must_use]
    pub fn interval(&self) -> Duration {
        ticks::to_duration(self.pace().interval)
    }

    /// For a sliding window: a window of one period sees at most the burst, and what is renewed
    /// within it, which is the rest of the limit. If the burst is the whole limit, 1 is renewed in a
    /// period, but only at the end of a window that began with the burst, so that the window, which
    /// does not contain its end, still sees no more than the limit.
    pub(crate) fn pace(&self) -> Pace {
        let burst = self.effective_burst();
        let renewed = match self.shape {
            Shape::SlidingWindow => self.limit.saturating_sub(burst),
            Shape::TokenBucket => self.limit,
        };
        let interval = ticks::from_duration(self.period)
            .div_ceil(renewed.max(1))
            .max(1);
        Pace {
            interval,
            tolerance: burst.saturating_mul(interval),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let longest = LONGEST;
        let (limit, period, burst) = (self.limit, self.period, self.effective_burst());
        let no_period = period.is_zero() || period > longest;
        let renewal = ticks::to_duration(self.pace().tolerance);
        InvalidConfig::check([
            (
                "limit",
                (limit == 0).then(|| "must be at least 1, got 0".to_owned()),
            ),
            (
                "period",
                no_period.then(|| {
                    format!("must be longer than zero and at most {longest:?}, got {period:?}")
                }),
            ),
            (
                "burst",
                if limit > 0 && !(1..=limit).contains(&burst) {
                    Some(format!("must be 1 to limit ({limit}), got {burst}"))
                } else if !no_period && renewal > longest {
                    Some(format!(
                        "must be renewed within {longest:?}, got {burst}, which takes {renewal:?}"
                    ))
                } else {
                    None
                },
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_burst_and_what_a_period_renews_are_no_more_than_the_limit(
            limit in 2..1_000_000_u64,
            nanos in 1..u64::MAX / 64,
            share in 0.0..1.0,
        ) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "any burst below the limit will do"
            )]
            let burst = ((limit as f64 * share) as u64).clamp(1, limit - 1);
            let period = Duration::from_nanos(nanos);
            let pace = Quota::new(limit, period).burst(burst).pace();
            let renewed = ticks::from_duration(period) / pace.interval;
            prop_assert!(burst + renewed <= limit, "{burst} + {renewed}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let year = Duration::from_hours(24 * 365);
        for quota in [
            Quota::new(1, year),
            Quota::per_second(1_000_000_000),
            Quota::new(u64::MAX, Duration::MAX).burst(u64::MAX),
            Quota::new(u64::MAX, Duration::from_nanos(1)),
            Quota::new(0, Duration::ZERO),
        ] {
            assert!(quota.pace().interval > 0, "{quota:?}");
        }
        assert!(Quota::new(1, year).validate().is_ok());
        assert!(Quota::per_second(1_000_000_000).validate().is_ok());
        assert!(Quota::new(1, Duration::MAX).validate().is_err());
    }
}
