//! The unit of time of the rate limiter.

use std::time::Duration;

/// Ticks in a nanosecond: the distance of two calls is rounded up to a whole tick, and even 10⁹ calls a
/// second are then kept to 12 %. 64 bits hold 73 years.
const PER_NANO: u64 = 8;
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Returns a duration in ticks; what does not fit is the longest that does.
#[inline]
pub(crate) fn from_duration(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(NANOS_PER_SEC)
        .saturating_add(u64::from(duration.subsec_nanos()))
        .saturating_mul(PER_NANO)
}

/// Returns ticks as a duration, rounded up, so that who waits that long has waited long enough.
pub(crate) fn to_duration(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.div_ceil(PER_NANO))
}
