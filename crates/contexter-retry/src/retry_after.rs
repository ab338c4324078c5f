//! How long a far side asks to wait.

use std::time::{Duration, SystemTime};

/// Reads a `Retry-After` field: a number of seconds or an HTTP date (RFC 9110, §10.2.3).
///
/// A date in the past is no wait. A fraction of a second is accepted, because some services send
/// one. Anything malformed is `None`: the caller then waits as without the field.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use contexter_retry::parse_retry_after;
///
/// let now = SystemTime::UNIX_EPOCH;
/// assert_eq!(parse_retry_after("120", now), Some(Duration::from_secs(120)));
/// assert_eq!(
///     parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now),
///     Some(Duration::from_secs(60)),
/// );
/// assert_eq!(parse_retry_after("soon", now), None);
/// ```
#[must_use]
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Some(seconds) = decimal(value) {
        return Some(scaled(seconds, 1.0));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads a `retry-after-ms` field: a number of milliseconds.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_retry::parse_retry_after_ms;
///
/// assert_eq!(parse_retry_after_ms("1500"), Some(Duration::from_millis(1500)));
/// assert_eq!(parse_retry_after_ms("-1"), None);
/// ```
#[must_use]
pub fn parse_retry_after_ms(value: &str) -> Option<Duration> {
    decimal(value.trim()).map(|millis| scaled(millis, 1e-3))
}

/// Digits with at most one point between them: no sign, no exponent, no `inf`.
fn decimal(text: &str) -> Option<f64> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    };
    if plain { text.parse().ok() } else { None }
}

/// A number too large for a duration is the longest one: longer than any ceiling.
fn scaled(number: f64, unit: f64) -> Duration {
    Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX)
}
