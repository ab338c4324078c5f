//! What a service says about its quota.

use std::time::{Duration, SystemTime};

/// A wait longer than this is not believed: the longest quotas are counted by the month or year.
const LONGEST_RESET: Duration = Duration::from_hours(24 * 366);

/// A number from here on is a point in time, in seconds since 1970: as a wait it would be longer
/// than thirty years.
const FIRST_TIMESTAMP: f64 = 1e9;

/// A number from here on is a point in time in milliseconds: in seconds it would be tens of
/// thousands of years away.
const FIRST_TIMESTAMP_MS: f64 = 1e11;

/// What a service says about its quota, as far as it says it.
///
/// Read are `ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset`, the same with `x-` or
/// `x-rate-limit-` before it, and the two forms in which the IETF's drafts put all into the one
/// header `ratelimit` (draft-ietf-httpapi-ratelimit-headers). A reset is seconds from now, a point
/// in time as seconds or milliseconds since 1970 or as an HTTP date, or such as `1m30s`; what
/// vendors mean shows in its size.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use contexter_http::RateLimitHeaders;
///
/// let headers = |name: &str| match name {
///     "x-ratelimit-remaining" => Some("3"),
///     "x-ratelimit-reset" => Some("1700000060"),
///     _ => None,
/// };
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let quota = RateLimitHeaders::read(headers, now);
/// assert_eq!(quota.remaining, Some(3));
/// assert_eq!(quota.reset, Some(Duration::from_secs(60)));
/// assert_eq!(quota.limit, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitHeaders {
    /// How many requests the window allows.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: Option<u64>,
    /// How long it is until the window begins anew. At most a year is believed.
    pub reset: Option<Duration>,
}

impl RateLimitHeaders {
    /// Reads the headers; `header` returns the value of a name in lower case, `now` is the time at
    /// which they came.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now: SystemTime) -> Self {
        let named = |what: &str| {
            ["ratelimit-", "x-ratelimit-", "x-rate-limit-"]
                .iter()
                .find_map(|prefix| header(&format!("{prefix}{what}")))
        };
        let combined = header("ratelimit");
        let policy = header("ratelimit-policy");
        let part = |keys: [&str; 2]| combined.and_then(|value| parameter(value, keys));
        Self {
            limit: named("limit")
                .and_then(count)
                .or_else(|| count(part(["limit", "q"])?))
                .or_else(|| count(parameter(policy?, ["q", "limit"])?)),
            remaining: named("remaining")
                .and_then(count)
                .or_else(|| count(part(["remaining", "r"])?)),
            reset: named("reset")
                .and_then(|value| wait(value, now))
                .or_else(|| wait(part(["reset", "t"])?, now)),
        }
    }

    /// Returns whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Finds the first `key=value` with one of the keys; pairs are separated by commas or semicolons.
fn parameter<'a>(header: &'a str, keys: [&str; 2]) -> Option<&'a str> {
    header.split([',', ';']).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        keys.contains(&key.trim()).then_some(value.trim())
    })
}

/// Reads a number of requests; what an old draft puts after it (`100, 100;w=60`) is left aside.
fn count(value: &str) -> Option<u64> {
    let number = value.split([',', ';']).next()?.trim();
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number.parse().ok())?
}

fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    // Before anything else: a date has a comma in it.
    if let Ok(date) = httpdate::parse_http_date(value.trim()) {
        return Some(until(date, now));
    }
    let value = value.split([',', ';']).next()?.trim();
    let wait = match contexter_retry::parse_retry_after(value, now) {
        Some(number) if number.as_secs_f64() < FIRST_TIMESTAMP => number,
        Some(number) => {
            let since_1970 = if number.as_secs_f64() < FIRST_TIMESTAMP_MS {
                number
            } else {
                number / 1000
            };
            until(SystemTime::UNIX_EPOCH.checked_add(since_1970)?, now)
        }
        None => humantime::parse_duration(value).ok()?,
    };
    Some(wait.min(LONGEST_RESET))
}

/// A point in time that has passed is no wait.
fn until(date: SystemTime, now: SystemTime) -> Duration {
    date.duration_since(now)
        .unwrap_or_default()
        .min(LONGEST_RESET)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn read(headers: &[(&str, &'static str)]) -> RateLimitHeaders {
        let find = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        RateLimitHeaders::read(find, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn quota(limit: u64, remaining: u64, seconds: u64) -> RateLimitHeaders {
        RateLimitHeaders {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn every_way_to_say_it_is_understood() {
        for headers in [
            &[
                ("ratelimit-limit", "100"),
                ("ratelimit-remaining", "7"),
                ("ratelimit-reset", "60"),
            ][..],
            &[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "7"),
                ("x-ratelimit-reset", "1700000060"),
            ],
            &[
                ("x-rate-limit-limit", "100, 100;w=60"),
                ("x-rate-limit-remaining", " 7 "),
                ("x-rate-limit-reset", "1700000060000"),
            ],
            &[("ratelimit", "limit=100, remaining=7, reset=60")],
            &[
                ("ratelimit", "\"default\";r=7;t=60"),
                ("ratelimit-policy", "\"default\";q=100;w=3600"),
            ],
            &[
                ("ratelimit-limit", "100"),
                ("ratelimit-remaining", "7"),
                ("ratelimit-reset", "1m"),
            ],
            &[
                ("ratelimit-limit", "100"),
                ("ratelimit-remaining", "7"),
                ("ratelimit-reset", "Tue, 14 Nov 2023 22:14:20 GMT"),
            ],
        ] {
            assert_eq!(read(headers), quota(100, 7, 60), "{headers:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        assert!(read(&[]).is_empty());
        for value in ["", "-1", "+5", "many", "0x10", "99999999999999999999", "∞"] {
            let owned: &'static str = value;
            assert_eq!(read(&[("ratelimit-limit", owned)]).limit, None, "{value}");
        }
        for value in ["", "-1", "soon", "nan", "1e9", "="] {
            let owned: &'static str = value;
            assert_eq!(read(&[("ratelimit-reset", owned)]).reset, None, "{value}");
        }
    }

    #[test]
    fn a_reset_is_never_negative_and_never_absurd() {
        let reset = |value: &'static str| read(&[("ratelimit-reset", value)]).reset;
        assert_eq!(reset("1600000000"), Some(Duration::ZERO));
        assert_eq!(reset("0"), Some(Duration::ZERO));
        assert_eq!(reset("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(reset("999999999"), Some(LONGEST_RESET));
        assert_eq!(reset("1700000000000000"), Some(LONGEST_RESET));
        assert_eq!(reset("99999999999999999999999"), Some(LONGEST_RESET));
    }
}
