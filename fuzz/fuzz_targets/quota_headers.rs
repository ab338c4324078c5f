//! What a service says in headers about waits and quotas.
//!
//! Nothing said makes a wait longer than is believed; reading depends on nothing but the headers.

#![no_main]

use std::time::{Duration, SystemTime};

use contexter_http::{RateLimitHeaders, Reply};
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 366);

fuzz_target!(|text: &str| {
    let headers: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let find = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    for seconds in [0, 1_700_000_000, u64::from(u32::MAX)] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let quota = RateLimitHeaders::read(find, now);
        assert!(quota.reset.unwrap_or_default() <= YEAR, "{quota:?}");
        assert_eq!(quota, RateLimitHeaders::read(find, now));
    }
    let reply = Reply::new(429, headers.iter().copied(), "").expect("429 is a status");
    assert!(reply.retry_after().unwrap_or_default() <= DAY);
    assert!(reply.rate_limit().reset.unwrap_or_default() <= YEAR);
});
